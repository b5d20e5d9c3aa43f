#!/bin/sh
# Builds the PgBouncer that the benchmark compares with, from the source package of a newer Debian than
# this one: bench/pgbouncer.sh FOLDER [SUITE]. What it prints at its end is for the environment.
set -eu
folder=$(mkdir -p "$1" && cd "$1" && pwd)
suite=${2:-trixie}
cd "$folder"
mkdir -p lists/partial cache/archives/partial
echo "deb-src http://deb.debian.org/debian $suite main" > sources.list
apt="apt-get -qq -o Dir::Etc::SourceList=$folder/sources.list -o Dir::Etc::SourceParts=/dev/null
     -o Dir::State::Lists=$folder/lists -o Dir::Cache=$folder/cache -o APT::Sandbox::User=root"
$apt update
$apt --download-only source pgbouncer
apt-get install -qq -y --no-install-recommends gcc make pkg-config libevent-dev libssl-dev >/dev/null
rm -rf source && mkdir source
tar -xzf pgbouncer_*.orig.tar.gz -C source --strip-components=1
cd source
./configure --quiet --prefix="$folder" --without-cares --disable-evdns CFLAGS="-O2 -g" >/dev/null
make -s -j2 pgbouncer
cp pgbouncer "$folder/pgbouncer"
"$folder/pgbouncer" --version
echo "export PGBOUNCER=$folder/pgbouncer"
