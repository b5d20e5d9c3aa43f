# pgherd. `make demo` and `make test` set up what they need on Debian and Ubuntu; elsewhere they say what to install.
.DEFAULT_GOAL := help
.PHONY: help setup demo test bench pgo lint
SHELL := /bin/sh
export PATH := $(HOME)/.cargo/bin:$(PATH)

help: ## These targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 10

demo: setup ## Two servers with replicas, 200 tenants, and pgherd before them; Ctrl-C ends it
	cargo build --release --bins
	target/release/pgherd demo

test: setup ## All tests, on real PostgreSQL servers
	cargo build --workspace --bins
	PGHERD_BIN="$(CURDIR)/target/debug" cargo test --workspace --no-fail-fast

bench: setup ## Overhead beside direct connections and PgBouncer; the parser and the planner
	cargo build --release --bins
	PGHERD_BIN="$(CURDIR)/target/release" cargo bench --package bench

pgo: setup ## The fastest build: a second one that is laid out by what the first was seen to do; in target/pgo/bin
	bench/pgo.sh

lint: setup ## Formatting and clippy, strictly
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

setup: ## Looks for what building and testing need, and installs what is missing
	@$(setup_script)

# A shell script in a variable, so that the top level of the repository needs no file for it.
define SETUP
set -eu
missing=""
say() { printf 'setup: %s\n' "$$*"; }
need() { say "missing: $$1"; missing="$$missing $$2"; }
newest() { for d in /usr/lib/postgresql/*/bin; do [ -x "$$d/initdb" ] && echo "$$d"; done | sort -t/ -k5 -n | tail -n 1; }
postgres_is_there() {
    bin="$${PG_BIN:-$$(newest)}"
    [ -n "$$bin" ] || bin="$$(pg_config --bindir 2>/dev/null || true)"
    [ -n "$$bin" ] && [ -x "$$bin/initdb" ] || return 1
    [ "$$("$$bin/postgres" --version | sed 's/.*) //; s/[^0-9].*//')" -ge 14 ]
}
any() { for path in "$$@"; do [ -e "$$path" ] && return 0; done; return 1; }
libclang_is_there() {
    [ -n "$${LIBCLANG_PATH:-}" ] || any /usr/lib/llvm-*/lib/libclang*.so* /usr/lib/*/libclang*.so* /usr/lib*/libclang*.so* || return 1
    any /usr/lib/llvm-*/lib/clang/*/include/stdbool.h /usr/lib*/clang/*/include/stdbool.h "$${LIBCLANG_PATH:-none}"/clang/*/include/stdbool.h
}
command -v cc >/dev/null 2>&1 || need "a C compiler" build-essential
libclang_is_there || need "libclang and its headers (for the SQL parser)" libclang-dev
postgres_is_there || need "PostgreSQL server binaries, 14 or newer" "postgresql postgresql-contrib"
command -v setpriv >/dev/null 2>&1 || need "setpriv and setsid" util-linux
if ! command -v cargo >/dev/null 2>&1 && ! command -v curl >/dev/null 2>&1; then need "curl (to fetch Rust)" "curl ca-certificates"; fi
if [ -n "$$missing" ]; then
    if [ "$$(id -u)" = 0 ]; then become=""; else become="sudo"; fi
    if ! command -v apt-get >/dev/null 2>&1; then
        say "this is no Debian or Ubuntu; install these yourself, then run make again:"
        say "  Fedora:  sudo dnf install gcc clang-devel postgresql-server postgresql-contrib util-linux curl"
        say "  Arch:    sudo pacman -S base-devel clang postgresql util-linux curl"
        say "  macOS:   brew install llvm postgresql@17 util-linux   (LIBCLANG_PATH=\$$(brew --prefix llvm)/lib)"
        exit 1
    fi
    if [ -n "$$become" ] && ! command -v sudo >/dev/null 2>&1; then
        say "run this as root, then make again:  apt-get update && apt-get install -y$$missing"
        exit 1
    fi
    say "installing:$$missing"
    $$become apt-get update -qq
    # The package starts a server of its own at boot; the tests and the demo never touch that one.
    $$become env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends$$missing
    postgres_is_there || { say "this release ships PostgreSQL older than 14; see https://apt.postgresql.org"; exit 1; }
fi
if ! command -v cargo >/dev/null 2>&1; then
    say "installing the Rust toolchain into ~/.cargo with rustup"
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal -c rustfmt -c clippy
fi
endef
export SETUP
setup_script = printf '%s\n' "$$SETUP" | sh
