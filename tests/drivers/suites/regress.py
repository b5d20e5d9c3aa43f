"""PostgreSQL's own regression files, one after another by psql in one database: what psql prints directly is what it shall print.

The files come from the source package of the installed PostgreSQL, of which `PG_SOURCE` names an unpacked folder. They
are run without `regress.so`; what needs that fails the same way everywhere. A file that prints something else because
one before it did is not the fault of what it tests: read the list from its top.
"""

import difflib
import os
import pathlib
import re
import shutil
import subprocess

from frame.targets import WORKSHOP, Place, binaries

# Their output tells of the machine, of chance or of what other sessions do: it is not the same twice.
CHANGING = ["random", "stats", "sysviews", "dbsize"]
# Numbers that every server gives out for itself, and its folder.
OWN_NUMBERS = [(r"/[^\s\"']*/pgherd-drivers-\w+", "FOLDER"), (r"\bpg_(toast|temp)_\d+", r"pg_\1_N"), (r"\bPID \d+", "PID N"), (r"server process \d+", "server process N")]


class Regress:
    name = "regress"
    version = "15"
    users = []
    # It needs a source package that nobody fetches for it.
    by_name_only = True
    folder = WORKSHOP / name

    @property
    def source(self) -> pathlib.Path:
        if "PG_SOURCE" not in os.environ:
            raise SystemExit("PG_SOURCE shall name an unpacked source package of PostgreSQL: apt-get source postgresql-15")
        return pathlib.Path(os.environ["PG_SOURCE"]) / "src" / "test" / "regress"

    def prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    def files(self) -> list[str]:
        schedule = (self.source / "parallel_schedule").read_text()
        tests = re.findall(r"^test: (.*)$", schedule, flags=re.M)
        return [file for group in tests for file in group.split() if file not in CHANGING]

    def run(self, place: Place, only: str) -> dict[str, str]:
        printed = self.folder / f"printed.{place.name}"
        shutil.rmtree(printed, ignore_errors=True)
        printed.mkdir(parents=True)
        self.ready(place)
        environment = self.environment(place)
        outcomes = {}
        for file in self.files():
            out = printed / f"{file}.out"
            self.file(file, out, environment, place)
            outcomes[file] = "passed" if self.same(file, out) else "failed"
            if only and re.search(only, file) and outcomes[file] == "failed":
                print(self.difference(file, out))
            elif only and re.search(only, file):
                print(f"{file}: equal")
        return outcomes

    def ready(self, place: Place) -> None:
        psql = [binaries() / "psql", "-qXh", "127.0.0.1", "-p", str(place.server_port), "-U", place.user, "-d", place.database]
        settings = ["lc_messages = 'C'", "lc_monetary = 'C'", "lc_numeric = 'C'", "lc_time = 'C'", "bytea_output = 'hex'"]
        for setting in settings:
            subprocess.run([*psql, "-c", f"ALTER DATABASE {place.database} SET {setting}"], check=True)
        for setting in ["allow_in_place_tablespaces = on", "compute_query_id = regress"]:
            subprocess.run([*psql, "-c", f"ALTER SYSTEM SET {setting}"], check=True)
        subprocess.run([*psql, "-c", "SELECT pg_reload_conf()"], check=True, stdout=subprocess.DEVNULL)

    def environment(self, place: Place) -> dict[str, str]:
        return place.environment() | {
            "PGTZ": "PST8PDT",
            "PGDATESTYLE": "Postgres, MDY",
            "PGOPTIONS": "-c intervalstyle=postgres_verbose",
            "PGAPPNAME": "regress",
            "PG_ABS_SRCDIR": str(self.source),
            "PG_ABS_BUILDDIR": str(place.folder),
            "PG_LIBDIR": "/nowhere",
            "PG_DLSUFFIX": ".so",
        }

    def file(self, file: str, out: pathlib.Path, environment: dict[str, str], place: Place) -> None:
        psql = [binaries() / "psql", "-X", "-a", "-q", "-v", "HIDE_TABLEAM=on", "-v", "HIDE_TOAST_COMPRESSION=on"]
        text = self.source / "sql" / f"{file}.sql"
        with text.open() as said, out.open("w") as heard:
            try:
                subprocess.run(psql, stdin=said, stdout=heard, stderr=heard, env=environment, cwd=self.folder, timeout=180)
            except subprocess.TimeoutExpired:
                heard.write("\n--- it took longer than three minutes\n")

    def lines(self, path: pathlib.Path) -> list[str]:
        text = path.read_text(errors="replace")
        for number, name in OWN_NUMBERS:
            text = re.sub(number, name, text)
        return text.splitlines()

    def same(self, file: str, out: pathlib.Path) -> bool:
        expected = self.folder / "printed.direct" / f"{file}.out"
        return expected.exists() and self.lines(expected) == self.lines(out)

    def difference(self, file: str, out: pathlib.Path) -> str:
        expected = self.folder / "printed.direct" / f"{file}.out"
        return "\n".join(difflib.unified_diff(self.lines(expected), self.lines(out), f"{file} directly", file, n=2, lineterm=""))


SUITE = Regress()
