#!/usr/bin/env bash
# Installs what Loki's build, tests and real backends need and this machine lacks. Safe to run again: with nothing to do it takes
# a fraction of a second. It says what it installs; with nothing to install it is silent.
#
#   install.sh [toolchain] [backends] [helm] [promtool]        (default: all four)
#   install.sh peers
#
#   toolchain  C and C++ compilers, make and perl: all that `make run` needs next to Rust (OpenSSL and librdkafka are built from source)
#   backends   MariaDB, Redis, kcat, wrk, Java, Maven and what tests call from Debian; Debian's collectd, unpacked and not installed; the jars of
#              Kafka, ZooKeeper, HBase and OpenTSDB from Maven's registry
#   helm       built with Go, to lint and render the chart; without Go Debian's, and with an old one the toolchain that helm asks for
#   promtool   Debian's, out of its package of Prometheus, which is not installed: to check the alerting rules and to test them
#   peers      Bento and Telegraf, beside which `make bench` measures the sink, built with Go
#
# Jars, helm, promtool and the peers go into target/stack (or $LOKI_STACK_DIR); Debian packages need root or sudo.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
stack=${LOKI_STACK_DIR:-$(cd "$here/../../.." && pwd)/target/stack}
maven_dependency_plugin=org.apache.maven.plugins:maven-dependency-plugin:3.8.1
helm_version=v3.19.0
telegraf_version=v1.37.2
# What is used of Telegraf.
telegraf_tags=custom,inputs.kafka_consumer,outputs.opentsdb,parsers.json
# What this helm asks for, fetched where Go is too old to do so by itself.
go_version=1.24.9

say() { printf 'install: %s\n' "$*"; }
die() { printf 'install: %s\n' "$*" >&2; exit 1; }

# mariadbd lies in a folder that ordinary users do not have on their path.
present() { PATH=$PATH:/usr/sbin:/usr/local/sbin command -v "$1" >/dev/null 2>&1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# A machine that has just been started updates itself.
apt_waits="-o DPkg::Lock::Timeout=300 -o Acquire::Retries=3"

# want COMMAND PACKAGE: notes the Debian package when the command is missing.
packages=()
want() { present "$1" || packages+=("$2"); }

install_packages() {
    [ ${#packages[@]} -gt 0 ] || return 0
    present apt-get || die "missing ${packages[*]}: there is no apt here, install them with this system's package manager and run this again"
    [ "$(id -u)" = 0 ] || present sudo || die "missing ${packages[*]}: run \`apt-get install ${packages[*]}\` as root"
    say "Debian packages: ${packages[*]}"
    local log
    log=$(mktemp)
    # The lists are fetched only when apt cannot do without: they are old or absent.
    if ! apt_install >"$log" 2>&1; then
        say "fetching apt's package lists first"
        if ! { as_root apt-get -q $apt_waits update && apt_install; } >"$log" 2>&1; then
            tail -n 20 "$log" >&2
            rm -f "$log"
            die "apt could not install ${packages[*]}: mend what it says above and run this again"
        fi
    fi
    rm -f "$log"
    packages=()
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y $apt_waits --no-install-recommends install "${packages[@]}"
}

install_toolchain() {
    want cc gcc
    [ -e /usr/include/stdio.h ] || present clang || ! present apt-get || packages+=(libc6-dev)
    want c++ g++
    want make make
    # Debian's perl-base lacks the modules that OpenSSL's build uses
    perl -MFindBin -MIPC::Cmd -e1 >/dev/null 2>&1 || packages+=(perl)
    install_packages
}

install_backends() {
    # The core packages: the server's programs without a service that starts by itself on the default port.
    want mariadbd mariadb-server-core
    want mariadb mariadb-client-core
    want redis-server redis-server
    want kcat kcat
    want wrk wrk
    want curl curl
    want openssl openssl
    want git git
    # the shell has a `kill` of its own, which tests cannot start
    [ -n "$(type -P kill)" ] && [ -n "$(type -P pkill)" ] || packages+=(procps)
    want java default-jre-headless
    want mvn maven
    install_packages
    install_collectd
    # Kafka 4 needs Java 17; looked at only when its jars are fetched, as starting Java takes longer than all else here.
    [ -f "$stack/kafka/pom.sha256" ] || java_is_new_enough
    install_jars kafka
    install_jars zookeeper
    install_jars hbase
    install_jars opentsdb
}

# Debian's package (1.3 MB) is unpacked into a folder of its own: installed it would run as a service.
install_collectd() {
    if [ -x "$stack/collectd/usr/sbin/collectd" ] || present collectd; then return 0; fi
    say "collectd into $stack/collectd"
    unpack collectd-core collectd
    rm -rf "$stack/collectd"
    mv "$stack/collectd.new" "$stack/collectd"
}

# The same for promtool, of which there is no package of its own: this one (19 MB) would start Prometheus. Only the tool is kept.
install_promtool() {
    if [ -x "$stack/bin/promtool" ] || present promtool; then return 0; fi
    say "promtool into $stack/bin"
    unpack prometheus promtool
    mkdir -p "$stack/bin"
    mv "$stack/promtool.new/usr/bin/promtool" "$stack/bin/promtool"
    rm -rf "$stack/promtool.new"
}

# unpack PACKAGE NAME: a Debian package's files into $stack/NAME.new; nothing is installed.
unpack() {
    present apt-get || die "missing $2: there is no apt here, install it with this system's package manager and run this again"
    local folder=$stack/$2.new log=$stack/$2.log
    rm -rf "$folder"
    mkdir -p "$folder"
    { download "$1" "$folder" || { as_root apt-get -q $apt_waits update && download "$1" "$folder"; }; } >"$log" 2>&1 || {
        tail -n 20 "$log" >&2
        die "apt could not fetch $1: mend what it says above and run this again"
    }
}

download() {
    (cd "$2" && apt-get -q $apt_waits download "$1" && dpkg -x "$1"_*.deb . && rm "$1"_*.deb)
}

java_is_new_enough() {
    local version
    version=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p')
    [ "${version:-0}" -ge 17 ] || die "java ${version:-of an unknown version} is too old: install Java 17 or later and put it first on the path"
}

# Copies the jars of $1/pom.xml into lib; a stamp with the pom's hash says that they are there.
install_jars() {
    local pom=$here/$1/pom.xml lib=$stack/$1/lib stamp=$stack/$1/pom.sha256 sum log
    sum=$(sha256sum <"$pom")
    [ "$(cat "$stamp" 2>/dev/null)" != "$sum" ] || return 0
    say "jars of $1 into $lib"
    mkdir -p "$stack/$1"
    rm -rf "$lib" "$lib.new" "$stamp"
    log=$stack/$1/maven.log
    mvn -B -q -f "$pom" "$maven_dependency_plugin:copy-dependencies" -DincludeScope=runtime -DoutputDirectory="$lib.new" >"$log" 2>&1 || {
        tail -n 20 "$log" >&2
        die "maven could not fetch the jars of $1: see $log, and run this again"
    }
    mv "$lib.new" "$lib"
    printf '%s\n' "$sum" >"$stamp"
}

install_helm() {
    if [ -x "$stack/bin/helm" ] || present helm; then return 0; fi
    want go golang-go
    install_packages
    say "helm $helm_version into $stack/bin (takes a few minutes)"
    mkdir -p "$stack/bin"
    local log=$stack/bin/helm.log go
    go=$(go_that_is_new_enough 2>"$log") && GOBIN=$stack/bin "$go" install "helm.sh/helm/v3/cmd/helm@$helm_version" >"$log" 2>&1 || {
        tail -n 20 "$log" >&2
        die "go could not build helm $helm_version: see $log, and run this again; helm 3 on the path does as well"
    }
}

# Prints the path of a Go that builds helm. From 1.21 on Go fetches the toolchain that a module asks for; before, it comes as the module that it is.
go_that_is_new_enough() {
    local minor folder
    minor=$(go version | sed -n 's/^go version go1\.\([0-9]*\).*/\1/p')
    if [ "${minor:-99}" -ge 21 ]; then
        command -v go
        return
    fi
    if [ ! -x "$stack/go/bin/go" ]; then
        folder=$(cd "$stack" && GOFLAGS= go mod download -json "golang.org/toolchain@v0.0.1-go$go_version.linux-$(go env GOARCH)" |
            sed -n 's/.*"Dir": "\(.*\)",\{0,1\}$/\1/p')
        [ -d "$folder" ] || return 1
        rm -rf "$stack/go"
        cp -R "$folder" "$stack/go"
        chmod -R u+w "$stack/go"
        chmod +x "$stack"/go/bin/* "$stack"/go/pkg/tool/*/*
    fi
    printf '%s\n' "$stack/go/bin/go"
}

install_peers() {
    local bento=$here/../bench/peers/bento
    # the module's files name the version
    install_peer bento "$(cat "$bento"/main.go "$bento"/go.mod "$bento"/go.sum)" build_bento
    install_peer telegraf "$telegraf_version $telegraf_tags" build_telegraf
}

# install_peer NAME WHAT COMMAND: builds it unless it was built from the same.
install_peer() {
    local name=$1 stamp=$stack/bin/$1.sha256 sum log=$stack/bin/$1.log
    sum=$(sha256sum <<<"$2")
    if [ -x "$stack/bin/$name" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$sum" ]; then return 0; fi
    go_fetches_toolchains || die "$name is built with Go: install Go 1.21 or later (https://go.dev/dl) and run this again"
    say "$name into $stack/bin (takes a few minutes)"
    mkdir -p "$stack/bin"
    "$3" >"$log" 2>&1 || {
        tail -n 20 "$log" >&2
        die "go could not build $name: see $log, and run this again"
    }
    printf '%s\n' "$sum" >"$stamp"
}

build_bento() {
    (cd "$here/../bench/peers/bento" && CGO_ENABLED=0 GOFLAGS=-mod=readonly go build -trimpath -buildvcs=false -o "$stack/bin/bento" .)
}

build_telegraf() {
    CGO_ENABLED=0 GOFLAGS= GOBIN=$stack/bin go install -trimpath -tags "$telegraf_tags" "github.com/influxdata/telegraf/cmd/telegraf@$telegraf_version"
}

# From 1.21 on Go fetches the toolchain that a module asks for.
go_fetches_toolchains() {
    present go && [ "$(go version | sed -n 's/^go version go1\.\([0-9]*\).*/\1/p')" -ge 21 ]
}

[ $# -gt 0 ] || set -- toolchain backends helm promtool
for part in "$@"; do
    case $part in
        toolchain | backends | helm | promtool | peers) "install_$part" ;;
        *) die "unknown part \`$part\`: use toolchain, backends, helm, promtool or peers" ;;
    esac
done
