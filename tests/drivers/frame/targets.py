"""The three places a suite runs at: a throw-away PostgreSQL, and pgherd or PgBouncer before one.

Every run gets a server of its own, so that what one leaves behind is not what the next one finds.
"""

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parents[3]
WORKSHOP = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "drivers"


@dataclass
class Place:
    """Where a suite connects, as `postgres` (superuser) or a user that the suite makes; nobody needs a password."""

    name: str
    host: str
    port: int
    server_port: int
    folder: pathlib.Path
    user: str = "postgres"
    database: str = "postgres"

    def environment(self) -> dict[str, str]:
        """What libpq's environment says, with nothing of the caller's."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return kept | {
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGDATABASE": self.database,
        }


def binaries() -> pathlib.Path:
    """The newest installed PostgreSQL, or that of PG_BIN."""
    if "PG_BIN" in os.environ:
        return pathlib.Path(os.environ["PG_BIN"])
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise SystemExit("no PostgreSQL server binaries: install them, or name their folder in PG_BIN")
    return found[-1].parent


def unprivileged() -> list[str]:
    """PostgreSQL and PgBouncer refuse to run as root."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port: int, what: str, process: subprocess.Popen) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if process.poll() is not None:
            raise SystemExit(f"{what} ended at its start; its log is in its folder")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise SystemExit(f"{what} does not listen")


@contextlib.contextmanager
def running(command: list, log: pathlib.Path, port: int):
    with log.open("wb") as said:
        process = subprocess.Popen([str(word) for word in command], stdout=said, stderr=said)
    try:
        wait_for(port, log.stem, process)
        yield process
    finally:
        process.send_signal(3 if log.stem == "postgres" else 15)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def postgres(folder: pathlib.Path, databases: list[str]):
    data, port = folder / "data", free_port()
    initdb = [binaries() / "initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"]
    subprocess.run([*unprivileged(), *initdb, "-D", data], check=True, stdout=subprocess.DEVNULL)
    settings = {
        "port": port,
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": folder,
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "wal_level": "logical",
        "max_connections": 200,
        "max_prepared_transactions": 100,
        "timezone": "UTC",
        "log_line_prefix": "%m [%p] %a ",
    }
    with (data / "postgresql.conf").open("a") as config:
        config.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
    with running([*unprivileged(), binaries() / "postgres", "-D", data], folder / "postgres.log", port):
        psql = [binaries() / "psql", "-qXh", "127.0.0.1", "-p", str(port), "-U", "postgres"]
        until = time.monotonic() + 60
        while subprocess.run([*psql, "-c", "SELECT"], capture_output=True).returncode:
            if time.monotonic() > until:
                raise SystemExit("PostgreSQL does not answer")
            time.sleep(0.2)
        for database in databases:
            subprocess.run([*psql, "-c", f'CREATE DATABASE "{database}"'], check=True)
        yield port


@contextlib.contextmanager
def direct(folder: pathlib.Path, server_port: int, users: list[str], databases: list[str]):
    yield server_port


DATABASE = """\
[[database]]
name = "{name}"
tenant_column = "no_table_has_this_column"
"""

PGHERD = """\
[proxy]
listen = "127.0.0.1:{port}"
http_listen = "127.0.0.1:{http}"
[directory]
store = "file:{folder}/directory"
{databases}
[[server]]
name = "alpha"
nodes = ["127.0.0.1:{server}"]
[admin]
user = "postgres"
"""


def pgherd_binary() -> pathlib.Path:
    target = WORKSHOP.parent
    folders = [os.environ["PGHERD_BIN"]] if "PGHERD_BIN" in os.environ else [target / "release", target / "debug"]
    for folder in map(pathlib.Path, folders):
        if (folder / "pgherd").exists():
            return folder / "pgherd"
    raise SystemExit("no pgherd binary: cargo build --release --bins")


@contextlib.contextmanager
def pgherd(folder: pathlib.Path, server_port: int, users: list[str], databases: list[str]):
    port, http = free_port(), free_port()
    config = folder / "pgherd.toml"
    named = "".join(DATABASE.format(name=name) for name in ["postgres", *databases])
    text = PGHERD.format(port=port, http=http, folder=folder, server=server_port, databases=named)
    config.write_text(text + "".join(f'[[user]]\nname = "{user}"\n' for user in ["postgres", *users]))
    with running([pgherd_binary(), "serve", "--config", config], folder / "pgherd.log", port):
        yield port


PGBOUNCER = """\
[databases]
* = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users.txt
pool_mode = transaction
max_client_conn = 1000
ignore_startup_parameters = extra_float_digits
{more}
"""


def pgbouncer_version() -> str:
    said = subprocess.run(["pgbouncer", "--version"], capture_output=True, text=True, check=True).stdout
    return said.split()[1]


@contextlib.contextmanager
def pgbouncer(folder: pathlib.Path, server_port: int, users: list[str], databases: list[str]):
    port = free_port()
    (folder / "users.txt").write_text("".join(f'"{user}" ""\n' for user in ["postgres", *users]))
    has_prepared = tuple(map(int, pgbouncer_version().split(".")[:2])) >= (1, 21)
    more = "max_prepared_statements = 200" if has_prepared else ""
    config = folder / "pgbouncer.ini"
    config.write_text(PGBOUNCER.format(port=port, server=server_port, folder=folder, more=more))
    with running([*unprivileged(), "pgbouncer", config], folder / "pgbouncer.log", port):
        yield port


TARGETS = {"direct": direct, "pgherd": pgherd, "pgbouncer": pgbouncer}


@contextlib.contextmanager
def stage(target: str, users: list[str], databases: list[str]):
    """A fresh server, and the target before it; the logs of a failed run can be kept with KEEP=1."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="pgherd-drivers-"))
    if unprivileged():
        shutil.chown(folder, "postgres", "postgres")
    try:
        with postgres(folder, databases) as server_port, TARGETS[target](folder, server_port, users, databases) as port:
            yield Place(target, "127.0.0.1", port, server_port, folder)
    finally:
        if os.environ.get("KEEP"):
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
