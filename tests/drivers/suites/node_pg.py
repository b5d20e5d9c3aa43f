"""node-postgres: the suites of pg-pool, pg-cursor and pg-query-stream that npm has, with today's pg below them.

The tests of `pg` itself are in no package; `behaviour/node_pg.js` holds what its documentation promises.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tarfile

from frame.targets import WORKSHOP, Place

HERE = pathlib.Path(__file__).resolve().parent
DRIVERS = ["pg@8.23.1", "pg-cursor@2.22.0", "pg-query-stream@4.17.0", "pg-pool@3.14.0", "pg-copy-streams@7.0.0", "postgres@3.4.9"]
TOOLS = ["mocha@10", "JSONStream@1", "concat-stream@1", "stream-spec@0.3", "through@2", "expect.js@0.3", "lodash@4", "bluebird@3", "co@4"]
# The newest packages that hold tests, and the driver that they are run with.
HOLDING_TESTS = {"pg-cursor": "2.10.6", "pg-pool": "3.6.2", "pg-query-stream": "2.0.0"}


class NodePg:
    name = "node_pg"
    version = "8.23.1"
    users = []
    folder = WORKSHOP / name

    def prepare(self) -> None:
        wanted = "\n".join([*DRIVERS, *TOOLS])
        done = self.folder / "prepared"
        if not (done.exists() and done.read_text() == wanted):
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / "package.json").write_text('{"name": "suites", "private": true}\n')
            install = ["npm", "install", "--silent", "--no-audit", "--no-fund", *DRIVERS, *TOOLS]
            subprocess.run(install, cwd=self.folder, check=True)
            for package, version in HOLDING_TESTS.items():
                self.fetch(package, version)
            done.write_text(wanted)
        for file in (HERE.parent / "behaviour").glob("*.js"):
            (self.folder / "behaviour").mkdir(exist_ok=True)
            shutil.copy(file, self.folder / "behaviour")

    def fetch(self, package: str, version: str) -> None:
        subprocess.run(["npm", "pack", "--silent", f"{package}@{version}"], cwd=self.folder, check=True)
        with tarfile.open(self.folder / f"{package}-{version}.tgz") as packed:
            for member in packed.getmembers():
                if re.fullmatch(r"package/test/[^/]+\.js", member.name):
                    text = packed.extractfile(member).read().decode()
                    text = re.sub(r"require\('\.\./(index)?'\)", f"require('{package}')", text)
                    file = self.folder / package / pathlib.Path(member.name).name
                    file.parent.mkdir(exist_ok=True)
                    file.write_text(text)

    def run(self, place: Place, only: str) -> dict[str, str]:
        outcomes = {}
        for group in [*HOLDING_TESTS, "behaviour"]:
            for file in sorted((self.folder / group).glob("*.js")):
                outcomes |= self.file(f"{group}/{file.name}", place, only)
        return outcomes

    def file(self, file: str, place: Place, only: str) -> dict[str, str]:
        report = self.folder / "report.json"
        report.unlink(missing_ok=True)
        mocha = ["npx", "mocha", "--timeout", "10000", "--exit", "--reporter", "json", "--reporter-option", f"output={report}"]
        mocha += ["--grep", only] if only else []
        environment = os.environ | place.environment()
        try:
            subprocess.run([*mocha, file], cwd=self.folder, env=environment, timeout=180, capture_output=not only)
        except subprocess.TimeoutExpired:
            return {f"{file}: all of it": "failed"}
        if not report.exists():
            return {f"{file}: all of it": "failed"}
        said = json.loads(report.read_text())
        outcomes = {f"{file}: {test['fullTitle']}": "passed" for test in said["passes"]}
        for test in said["failures"]:
            outcomes[f"{file}: {test['fullTitle']}"] = "failed"
            if only:
                print(test["fullTitle"], test["err"].get("message"))
        return outcomes


SUITE = NodePg()
