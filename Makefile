# The door to everything: `make help` lists it.
#
# `make run` needs Rust and C and C++ compilers with make and perl; the real backends of `make test` are plain processes that
# services/testing/stack/install.sh installs.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

STACK := $(or $(LOKI_STACK_DIR),target/stack)
INSTALL := services/testing/stack/install.sh
STACK_COMMAND = cargo run --quiet --locked -p loki-testing --bin stack --
# Where cargo puts what it builds.
BUILT := $(or $(CARGO_TARGET_DIR),target)
# What the backends and the data of the tests take of the disk at most, and as much again.
TESTS_MIB := 2048
# Exports the addresses of the real backends.
BACKENDS := set -a; source $(STACK)/env; set +a
# The integration tests that need no backend: those whose files do not name the harness of the real ones.
SUITES = $(wildcard services/*/tests/*.rs services/*/*/tests/*.rs) $(patsubst %/main.rs,%,$(wildcard services/*/tests/*/main.rs services/*/*/tests/*/main.rs))
FAST_SUITES = $(sort $(foreach suite,$(SUITES),$(shell grep -rqs 'loki_testing::real' $(suite) || basename $(suite) .rs)))
export PATH := $(abspath $(STACK))/bin:$(PATH)

.PHONY: run
run: toolchain ## Build Loki and run all of it in one process on the embedded set; data in ./data; this machine is the first server
	@cargo build --locked --release -p loki
	exec $(BUILT)/release/loki all --this-machine

.PHONY: test
test: ## Everything: install what is missing, lint, build, all tests with real backends, tour, chart
	@started=$$SECONDS
	# a set that somebody has started stays, with its data
	trap 'status=$$?; [ -z "$${kept+started}" ] || [ -n "$$kept" ] || $(BUILT)/debug/stack down || status=$$(( status ? status : 1 )); echo "make test took $$(( SECONDS - started )) s"; exit $$status' EXIT
	# what a build keeps for the next one is of no use to a clean clone, and takes as much of the disk as all the rest
	[ -z "$${CI:-}" ] || export CARGO_INCREMENTAL=0
	$(INSTALL)
	$(MAKE) lint
	# the one build: with other packages chosen, cargo chooses other features and builds most of the dependencies again
	cargo test --locked --workspace --no-run
	# on a full disk backends die, and tests fail one after another for reasons that do not name it
	free=$$(df -Pk $(BUILT) | awk 'END { print int($$4 / 1024) }')
	[ "$$free" -ge $(TESTS_MIB) ] || { echo "$$free MiB are free on the disk of $(BUILT), the tests need $(TESTS_MIB): make room and run this again" >&2; exit 1; }
	kept=$$($(BUILT)/debug/stack status >/dev/null 2>&1 && echo yes || true)
	$(BUILT)/debug/stack up
	$(BACKENDS)
	# most tests wait most of the time
	export RUST_TEST_THREADS=$${RUST_TEST_THREADS:-$$(( 2 * $$(nproc) ))}
	cargo test --locked --workspace --no-fail-fast
	$(BUILT)/debug/tour
	$(MAKE) chart

.PHONY: check
check: lint ## Format, lints and the fast tests: no backend needed
	@cargo test --locked --workspace --lib --bins $(addprefix --test ,$(FAST_SUITES))

.PHONY: lint
lint: toolchain
	@for part in fmt clippy; do
	    cargo $$part --version >/dev/null 2>&1 || rustup component add $${part/fmt/rustfmt} ||
	        { echo "cargo $$part is missing: install it with Rust's own installer and run this again" >&2; exit 1; }
	done
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

.PHONY: deny
deny: ## Check the dependencies' licences and known weaknesses with cargo-deny
	@cargo deny --version >/dev/null 2>&1 || { echo "cargo-deny is missing: cargo install --locked cargo-deny" >&2; exit 1; }
	cargo deny --all-features check

.PHONY: tour
tour: ## Run the README's own commands against a fresh Loki and check what they print
	@cargo test --locked --workspace --no-run --test process --test child
	$(BUILT)/debug/tour

.PHONY: bench
bench: toolchain ## Benchmarks beside bare peers, on real backends of their own; WORK=name runs one
	@$(INSTALL) backends
	case ",$(WORK)," in ,, | *,sink*) $(INSTALL) peers ;; esac
	cargo build --locked --release -p loki -p loki-bench
	$(BUILT)/release/bench $(WORK)

.PHONY: proof
proof: stack-up ## The tests of faults with their full counts, into services/testing/README.md: ROUNDS=n kills, SEEDS=n courses; 2 hours at most. PARTS="rounds lines" runs some
	@$(BACKENDS)
	cargo build --locked --release -p loki
	cargo test --locked --workspace --no-run
	[ -n "$(PARTS)" ] || rm -rf $(BUILT)/proof
	export LOKI_TEST_BINARY=$(abspath $(BUILT))/release/loki
	export LOKI_TEST_ROUNDS=$(or $(ROUNDS),20) LOKI_TEST_SEEDS=$(or $(SEEDS),3000) LOKI_TEST_POINTS=200000
	export LOKI_TEST_HALVES=1000 LOKI_TEST_HOSTILE=10000 LOKI_TEST_SOAK_SECONDS=1800
	export LOKI_TEST_FUZZ=30000 LOKI_TEST_REQUESTS=1000
	$(BUILT)/debug/proof $(abspath $(BUILT))/proof $$(date +%F) $(PARTS)

.PHONY: simulate
simulate: toolchain ## The whole platform on one thread and paused time, under the faults of a seed: SEED=n STEPS=n; SEEDS=n for so many from there on
	@cargo test --locked --workspace --no-run --test seeds
	$(BUILT)/debug/simulate --seed $(or $(SEED),1) --steps $(or $(STEPS),300) --seeds $(or $(SEEDS),1)

# As cargo-fuzz calls rustc; it needs no nightly toolchain.
GUIDED = -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Ccodegen-units=1 --cfg fuzzing
FUZZ_TARGETS = $(notdir $(basename $(wildcard services/testing/fuzz/corpus/*.txt)))

.PHONY: fuzz
fuzz: toolchain ## Look for inputs that reach new code, and keep them: TARGET=name (without: each), SECONDS=n for each (60)
	@host=$$(rustc -vV | sed -n 's/^host: //p')
	cargo build --locked --workspace --bin corpus
	# with a target named, build scripts and macros are not built for fuzzing
	RUSTFLAGS="$(GUIDED)" cargo build --locked --release -p loki-fuzz --features guided --bin guided --target "$$host" --target-dir $(BUILT)/fuzz
	for target in $(or $(TARGET),$(FUZZ_TARGETS)); do
	    work=$(BUILT)/fuzz/$$target
	    rm -rf "$$work" && mkdir -p "$$work/found" "$$work/least"
	    $(BUILT)/debug/corpus unpack $$target "$$work/kept"
	    export LOKI_FUZZ_TARGET=$$target
	    $(BUILT)/fuzz/$$host/release/guided -max_total_time=$(or $(SECONDS),60) -max_len=4096 -timeout=25 -rss_limit_mb=4096 \
	        -artifact_prefix="$$work/" -print_final_stats=1 -verbosity=0 "$$work/found" "$$work/kept"
	    # of all, the fewest that reach the same code
	    $(BUILT)/fuzz/$$host/release/guided -merge=1 -verbosity=0 "$$work/least" "$$work/kept" "$$work/found"
	    $(BUILT)/debug/corpus pack $$target "$$work/least"
	done

.PHONY: planted
planted: toolchain ## Put known bugs into a copy of the sources, one after the other, and show which seed finds each: NAME=part of a name
	@cargo build --locked --workspace --bin planted
	$(BUILT)/debug/planted $(NAME)

.PHONY: chart
chart: ## Lint the Helm chart, render it with several sets of values and check what comes out
	@$(INSTALL) helm
	for chart in $(wildcard helm/*/Chart.yaml); do
	    helm lint --strict "$${chart%/Chart.yaml}"
	    # a helm that was built from source takes an old version for its default
	    helm template loki-ops "$${chart%/Chart.yaml}" --kube-version 1.34 >/dev/null
	    echo "$${chart%/Chart.yaml} renders"
	done
	cargo test --locked --workspace --test chart

.PHONY: rules
rules: ## Check the alerting rules with promtool, test them, and hold them against the metrics that there are
	@$(INSTALL) promtool
	promtool check rules deploy/prometheus/rules.yaml
	promtool test rules deploy/prometheus/rules.test.yaml
	cargo test --locked --workspace --test monitoring

.PHONY: stack-up
stack-up: ## Start Kafka, MariaDB, ZooKeeper, Redis and OpenTSDB on free ports of 127.0.0.1; a running set is kept
	@$(INSTALL) toolchain backends
	$(STACK_COMMAND) up

.PHONY: stack-down
stack-down: ## Stop what stack-up started and remove its data
	@$(STACK_COMMAND) down

.PHONY: stack-status
stack-status: ## Ask each of the real backends whether it serves
	@$(STACK_COMMAND) status

.PHONY: toolchain
toolchain:
	@$(INSTALL) toolchain
	command -v cargo >/dev/null || { echo "cargo is missing: install Rust (https://rustup.rs) and run this again" >&2; exit 1; }

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
