"""tokio-postgres: Rust's asynchronous driver; it prepares everything, pipelines, and copies in binary."""

import os
import re
import subprocess

from frame.targets import WORKSHOP, Place

VERSION = "0.7.18"
FEATURES = ["bit-vec-0_9", "chrono-0_4", "eui48-1", "geo-types-0_7", "jiff-0_2", "serde_json-1", "smol_str-01", "time-0_3"]
# The tests of their types need them.
EXTENSIONS = ["hstore", "citext", "ltree"]
# These need a server that asks for passwords; the throw-away one trusts everybody.
OF_PASSWORDS = ["password_", "host_only_ok", "hostaddr_"]


class TokioPostgres:
    """The crate's own tests, from its package on crates.io, with the address of the target for their fixed one."""

    name = "tokio_postgres"
    version = VERSION
    users = []
    folder = WORKSHOP / name
    source = folder / f"tokio-postgres-{VERSION}"

    def prepare(self) -> None:
        if not (self.source / "prepared").exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            self.fetch()
            self.adapt()
            (self.source / "prepared").touch()
        features = ",".join(["runtime", "array-impls", "with-uuid-1", *(f"with-{name}" for name in FEATURES)])
        build = ["cargo", "test", "-q", "--no-run", "--message-format=json", "--features", features]
        said = subprocess.run(build, cwd=self.source, env=self.environment(), check=True, stdout=subprocess.PIPE, text=True)
        self.binary = re.search(r'"executable":"([^"]+/test-[^"]+)"', said.stdout).group(1)

    def environment(self) -> dict[str, str]:
        return os.environ | {"CARGO_TARGET_DIR": str(self.folder / "target")}

    def fetch(self) -> None:
        """Cargo fetches the crate for an empty package that depends on it; its source is copied from where it lies."""
        asks = self.folder / "asks"
        (asks / "src").mkdir(parents=True, exist_ok=True)
        (asks / "src" / "lib.rs").touch()
        manifest = f'[package]\nname = "asks"\nversion = "0.0.0"\n[dependencies]\ntokio-postgres = "={VERSION}"\n[workspace]\n'
        (asks / "Cargo.toml").write_text(manifest)
        where = ["cargo", "metadata", "--format-version", "1"]
        said = subprocess.run(where, cwd=asks, check=True, stdout=subprocess.PIPE, text=True).stdout
        found = re.search(rf'"manifest_path":"([^"]+/tokio-postgres-{re.escape(VERSION)})/Cargo.toml"', said).group(1)
        subprocess.run(["cp", "-r", "--no-preserve=mode", found, self.folder], check=True)

    def adapt(self) -> None:
        manifest = (self.source / "Cargo.toml").read_text()
        manifest = re.sub(r"\[\[bench\]\].*?\n\n", "", manifest, flags=re.S)
        manifest = re.sub(r"\[dev-dependencies\.criterion\].*?\n\n", "", manifest, flags=re.S)
        (self.source / "Cargo.toml").write_text(manifest + "\n[workspace]\n")
        tests = self.source / "tests" / "test"
        for file, call in (("runtime.rs", r"&crate::at(\1)"), ("main.rs", r"crate::at(\1)")):
            text = re.sub(r'("[^"]*5433[^"]*")', call, (tests / file).read_text())
            (tests / file).write_text(text)
        with (tests / "main.rs").open("a") as main:
            main.write('fn at(text: &str) -> String {\n    text.replace("5433", &std::env::var("SUITE_PORT").unwrap())\n}\n')

    def run(self, place: Place, only: str) -> dict[str, str]:
        self.extend(place)
        environment = os.environ | {"SUITE_PORT": str(place.port)}
        listed = subprocess.run([self.binary, "--list"], env=environment, check=True, stdout=subprocess.PIPE, text=True)
        tests = re.findall(r"^(\S+): test$", listed.stdout, flags=re.M)
        tests = [test for test in tests if only in test and not any(word in test for word in OF_PASSWORDS)]
        said = None if only else (self.folder / f"said.{place.name}").open("w")
        return {test: self.one(test, environment, said) for test in tests}

    def extend(self, place: Place) -> None:
        psql = ["psql", "-qXh", "127.0.0.1", "-p", str(place.server_port), "-U", place.user, "-d", place.database]
        for extension in EXTENSIONS:
            subprocess.run([*psql, "-c", f"CREATE EXTENSION {extension}"], check=True)

    def one(self, test: str, environment: dict[str, str], said) -> str:
        """A test by itself, so that one that hangs is only itself."""
        command = [self.binary, "--exact", test, "--nocapture"]
        try:
            ended = subprocess.run(command, env=environment, timeout=30, stdout=said or subprocess.PIPE, stderr=said, text=True)
        except subprocess.TimeoutExpired:
            return "failed"
        if ended.returncode:
            return "failed"
        return "skipped" if ended.stdout and "1 ignored" in ended.stdout else "passed"


SUITE = TokioPostgres()
