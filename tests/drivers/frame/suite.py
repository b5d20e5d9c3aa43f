"""A suite: how it is fetched and run. One file a suite in `suites/`, which defines `SUITE`.

A suite of another kind (npm, cargo) is a class of its own with the same four: `name`, `users`, `prepare`, `run`.
"""

import importlib
import pathlib
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass, field

from .targets import WORKSHOP, Place

HERE = pathlib.Path(__file__).resolve().parent


def names() -> list[str]:
    return sorted(path.stem for path in (HERE.parent / "suites").glob("*.py") if path.stem != "__init__")


def load(name: str):
    if name not in names():
        raise SystemExit(f"no suite {name}: there are {', '.join(names())}")
    return importlib.import_module(f"suites.{name}").SUITE


@dataclass
class PythonSuite:
    """A driver whose source package on PyPI holds its tests, run by pytest in an environment of its own.

    `tests` are pytest's arguments, from the unpacked source's folder; `users` are the roles that the tests log in as beside `postgres`, `databases` those they name; `hide` is the folder of
    the unpacked driver, where that would be imported in place of the installed one; `setup` gives environment variables.
    """

    name: str
    package: str
    version: str
    install: list[str]
    tests: list[str]
    users: list[str] = field(default_factory=list)
    databases: list[str] = field(default_factory=list)
    hide: str = ""
    timeout: int = 120
    setup: object = lambda suite, place: {}
    arguments: object = lambda suite, place: []

    @property
    def folder(self) -> pathlib.Path:
        return WORKSHOP / self.name

    @property
    def source(self) -> pathlib.Path:
        return self.folder / "source" / f"{self.package.lower()}-{self.version}"

    @property
    def python(self) -> pathlib.Path:
        return self.folder / "python" / "bin" / "python"

    def prepare(self) -> None:
        """Makes the environment and fetches the tests, once for each version."""
        done = self.folder / "prepared"
        wanted = "\n".join([f"{self.package}=={self.version}", *self.install])
        if done.exists() and done.read_text() == wanted:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", self.folder / "python"], check=True)
        pip = [self.python, "-m", "pip", "--disable-pip-version-check", "-q"]
        # Building with what is here, not in isolation, so that fetching the source does not compile it.
        build = ["setuptools>=77", "wheel", "cython", "hatchling", "versioningit"]
        subprocess.run([*pip, "install", *build, "pytest", "pytest-timeout", *self.install], check=True)
        fetched = self.folder / "fetched"
        fetch = ["download", "--no-deps", "--no-build-isolation", "--no-binary", ":all:", "-d", fetched]
        subprocess.run([*pip, *fetch, f"{self.package}=={self.version}"], check=True)
        with tarfile.open(next(fetched.glob(f"{self.package.lower()}-{self.version}.tar.*"))) as package:
            package.extractall(self.folder / "source")
        if self.hide:
            shutil.rmtree(self.source / self.hide)
        done.write_text(wanted)

    def run(self, place: Place, only: str) -> dict[str, str]:
        """Each test's outcome: passed, failed or skipped. A test that hangs ends pytest, which then goes on after it."""
        notes = self.folder / f"outcomes.{place.name}{'.some' if only else ''}"
        notes.unlink(missing_ok=True)
        environment = place.environment() | self.setup(self, place)
        environment["OUTCOMES"] = str(notes)
        environment["PYTHONPATH"] = str(HERE / "pytest")
        command = [self.python, "-m", "pytest", "-p", "outcomes", "-p", "no:cacheprovider", "--timeout-method=thread"]
        command += [f"--timeout={self.timeout}", *self.arguments(self, place), *self.tests]
        command += ["-k", only, "--tb=short"] if only else ["-q", "--tb=short"]
        said = None if only else (self.folder / f"said.{place.name}").open("w")
        for _ in range(100):
            ended = subprocess.run(command, cwd=self.source, env=environment, stdout=said, stderr=said)
            if died(notes):
                continue
            if ended.returncode in (0, 1, 5):
                break
            raise SystemExit(f"{self.name}: pytest ended with {ended.returncode}; see {self.folder}/said.{place.name}")
        return read(notes)


def noted(notes: pathlib.Path) -> list[list[str]]:
    lines = notes.read_text().splitlines() if notes.exists() else []
    return [line.rsplit("\t", 1) for line in lines]


def read(notes: pathlib.Path) -> dict[str, str]:
    return {test: outcome for test, outcome in noted(notes) if test}


def died(notes: pathlib.Path) -> bool:
    """Whether a test that hung ended pytest; it has failed then, and the next run leaves it out."""
    lines = noted(notes)
    if not lines or lines[-1][1] == "finished":
        return False
    with notes.open("a") as file:
        file.write(f"{lines[-1][0]}\tfailed\n")
    return True
