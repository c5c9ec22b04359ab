#!/usr/bin/env bash
# OpenTSDB and its HBase in one container of a Maven image, for deploy/compose.yaml: neither project publishes an image. The same jars and the same
# settings as those of `make stack-up`.
#
#   container.sh STACK JARS DATA      (services/testing/stack; folders that outlive the container)
set -euo pipefail
stack=$1 jars=$2 data=$3
port=${OPENTSDB_PORT:-4242}

for server in hbase opentsdb; do
    [ -d "$jars/$server" ] && continue
    rm -rf "$jars/$server.new"
    mvn -B -q -f "$stack/$server/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$jars/$server.new"
    mv "$jars/$server.new" "$jars/$server"
done

opens=()
for package in java.lang java.nio sun.nio.ch java.util java.util.concurrent java.lang.reflect jdk.internal.misc; do
    opens+=(--add-opens "java.base/$package=ALL-UNNAMED")
done
hbase=(-XX:+UseSerialGC -cp "$stack/hbase:$jars/hbase/*" -Dloki.port.zookeeper="${HBASE_ZOOKEEPER_PORT:-2181}")

mkdir -p "$data/hbase" "$data/opentsdb"
java -Xmx512m "${hbase[@]}" -Dloki.data="$data/hbase" -Dloki.port.regionserver="${HBASE_REGIONSERVER_PORT:-16020}" \
    -Dloki.port.master="${HBASE_MASTER_PORT:-16000}" "${opens[@]}" --add-exports java.base/jdk.internal.misc=ALL-UNNAMED \
    org.apache.hadoop.hbase.master.HMaster start &
store=$!
# waits for the master
java -Xmx128m "${hbase[@]}" "$stack/opentsdb/CreateTables.java"

{
    cat "$stack/opentsdb/opentsdb.conf"
    printf '%s\n' "tsd.network.bind=${OPENTSDB_BIND:-0.0.0.0}" "tsd.network.port=$port" "tsd.http.staticroot=$data/opentsdb" "tsd.http.cachedir=$data/opentsdb" \
        "tsd.storage.hbase.zk_quorum=localhost:${HBASE_ZOOKEEPER_PORT:-2181}"
} >"$data/opentsdb.conf"
java -Xmx384m -XX:+UseSerialGC -Dlogback.configurationFile="$stack/opentsdb/logback.xml" -cp "$jars/opentsdb/*" \
    net.opentsdb.tools.TSDMain --config="$data/opentsdb.conf" &
daemon=$!

# told to end, or when one of the two has ended: first what stores, then where it stores
end() {
    for process in $daemon $store; do
        kill "$process" 2>/dev/null || true
        wait "$process" || true
    done
}
trap end EXIT
trap 'exit 0' TERM INT
wait -n
