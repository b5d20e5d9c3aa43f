#!/bin/sh
# Builds a pgherd that is laid out by what it does when it is busy: `make pgo`, or bench/pgo.sh [FOLDER].
#
# A first build counts what runs; it serves the demo's servers while pgbench and psql ask it for point reads in all
# protocols, transactions, merges, gathers and COPY; the second build places and inlines code by those counts. That
# takes twice as long as a release build, and two minutes. FOLDER/bin (target/pgo/bin) has the result.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here"
folder=${1:-target/pgo}
folder=$(mkdir -p "$folder/bin" && cd "$folder" && pwd)
profile=$folder/profile
rm -rf "$profile" && mkdir -p "$profile"

host=$(rustc -vV | sed -n 's/^host: //p')
if command -v rustup >/dev/null 2>&1; then rustup component add llvm-tools >/dev/null 2>&1 || true; fi
merge=$(rustc --print sysroot)/lib/rustlib/$host/bin/llvm-profdata
[ -x "$merge" ] || { echo "pgo: llvm-profdata is missing; install it with: rustup component add llvm-tools" >&2; exit 1; }
for bin in /usr/lib/postgresql/*/bin; do PATH=$PATH:$bin; done
command -v pgbench >/dev/null 2>&1 || { echo "pgo: pgbench is missing; it comes with postgresql-contrib" >&2; exit 1; }

# With --target the flags are not those of build scripts. What nothing calls must go from the counting build too:
# parts of the parser would need functions that not every C library has.
case $host in *linux*) unused=-Clink-arg=-Wl,--gc-sections ;; *) unused=-Clink-dead-code=no ;; esac
build() {
    RUSTFLAGS="${RUSTFLAGS:-} $1" cargo rustc --release --package proxy --bin pgherd \
        --target "$host" --target-dir "$folder/build" -- "$unused"
    cp "$folder/build/$host/release/pgherd" "$2"
}

# Waits for a line of the demo's log, and answers what follows its beginning.
said() {
    for _ in $(seq 600); do
        line=$(sed -n "s/^ *$1 *//p" "$folder/demo.log" | head -n 1)
        if [ -n "$line" ]; then echo "$line"; return; fi
        sleep 0.2
    done
    cat "$folder/demo.log" >&2
    return 1
}

work() {
    cat >"$folder/read.sql" <<'SQL'
\set tenant random(1, 200)
\set task random(1, 184)
SELECT title, hours FROM tasks WHERE tenant_id = :tenant AND task_id = :task;
SQL
    cat >"$folder/write.sql" <<'SQL'
\set tenant random(1, 200)
\set task random(1, 184)
BEGIN;
UPDATE tasks SET hours = hours + 1 WHERE tenant_id = :tenant AND task_id = :task;
SELECT hours FROM tasks WHERE tenant_id = :tenant AND task_id = :task;
INSERT INTO events SELECT :tenant, max(event_id) + 1, 'edit', now(), '{}' FROM events WHERE tenant_id = :tenant
    ON CONFLICT DO NOTHING;
COMMIT;
SQL
    for protocol in simple extended prepared; do
        pgbench -n -c 8 -T 15 -M $protocol -f "$folder/read.sql" "$1"
        pgbench -n -c 8 -T 10 -M $protocol -f "$folder/read.sql@3" -f "$folder/write.sql@1" "$1"
    done
    for _ in $(seq 20); do
        psql -q "$1" <<'SQL'
SELECT * FROM tasks ORDER BY tenant_id, task_id;
SELECT plan, count(*) FROM tenants GROUP BY plan ORDER BY count(*) DESC;
SELECT t.name, count(*), sum(k.hours) FROM tenants t JOIN tasks k ON k.tenant_id = t.tenant_id GROUP BY t.name ORDER BY 3 DESC, 1 LIMIT 10;
SELECT kind, rank() OVER (ORDER BY count(*)) FROM events GROUP BY kind;
BEGIN;
UPDATE tasks SET done = NOT done WHERE task_id = 7;
COPY events TO STDOUT;
ROLLBACK;
SQL
        # A client of its own each time: logins are work, too.
        psql -q "$1" -c "CREATE TEMPORARY TABLE copied (LIKE events)" -c "SELECT 1" \
            -c "SELECT count(*) FROM users u JOIN users v USING (joined)"
    done
}

build "-Cprofile-generate=$profile" "$folder/bin/counting"
"$folder/bin/counting" demo --dir "$folder/demo" --fresh --servers 2 --replicas 0 >"$folder/demo.log" 2>&1 &
demo=$!
trap 'kill $demo 2>/dev/null || true' EXIT
url=$(said application)
work "$url" >/dev/null 2>"$folder/work.log" || { tail "$folder/work.log" >&2; exit 1; }
kill -TERM $demo
wait $demo || true
trap - EXIT
"$merge" merge -o "$folder/pgherd.profdata" "$profile"/*.profraw
build "-Cprofile-use=$folder/pgherd.profdata" "$folder/bin/pgherd"
cargo build --release --package admin --bin herdctl
cp "${CARGO_TARGET_DIR:-target}/release/herdctl" "$folder/bin/herdctl"
rm -f "$folder/bin/counting"
echo "pgo: $folder/bin has pgherd and herdctl"
