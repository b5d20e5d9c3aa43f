"""Django's own tests of its ORM, migrations and PostgreSQL backend, with psycopg 3."""

import pathlib
import re
import subprocess
from dataclasses import dataclass

from frame.suite import PythonSuite
from frame.targets import Place

# Of the more than 200 folders of tests those that are about the database.
TESTS = """
aggregation aggregation_regress annotations backends basic bulk_create constraints custom_pk db_functions db_utils
defer delete delete_regress expressions expressions_case expressions_window field_subclassing foreign_object from_db_value
get_or_create indexes inspectdb introspection known_related_objects lookup m2m_regress many_to_many many_to_one
migrations model_fields null_queries one_to_one or_lookups ordering postgres_tests prefetch_related queries queryset_pickle
raw_query reserved_names schema select_for_update select_related select_related_onetoone timezones transaction_hooks
transactions update update_only_fields
""".split()

# The databases are there already: a proxy that is told of its databases knows none that is made meanwhile.
SETTINGS = """
DATABASES = {{
    name: {{
        "ENGINE": "django.db.backends.postgresql", "HOST": "{host}", "PORT": {port}, "USER": "postgres",
        "NAME": database, "TEST": {{"NAME": database}}, "DISABLE_SERVER_SIDE_CURSORS": False,
    }}
    for name, database in (("default", "postgres"), ("other", "other"))
}}
SECRET_KEY = "tests"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = False
"""

OUTCOMES = {"ok": "passed", "expected failure": "passed", "skipped": "skipped"}
# `test_name (module.Class.test_name)`, perhaps the first line of its documentation, then how it ended.
ENDED = re.compile(r"^(test\w* \([\w.]+\))(?:\n[^\n]*)? \.\.\. (?:[^\n]*\n)*?(ok|FAIL|ERROR|skipped|expected failure|unexpected success)", re.M)


@dataclass
class Django(PythonSuite):
    """Django's tests are run by a program of their own, which knows nothing of pytest."""

    def run(self, place: Place, only: str) -> dict[str, str]:
        tests = self.source / "tests"
        (tests / "at_a_proxy.py").write_text(SETTINGS.format(host=place.host, port=place.port))
        command = [self.python, "runtests.py", "--settings=at_a_proxy", "--keepdb", "--noinput", "--parallel=1", "-v2"]
        command += ["-k", only] if only else []
        said = self.folder / f"said.{place.name}{'.some' if only else ''}"
        with said.open("w") as file:
            subprocess.run([*command, *TESTS], cwd=tests, env=place.environment(), stdout=file, stderr=file, timeout=7200)
        if only:
            print(said.read_text())
        return outcomes(said)


def outcomes(said: pathlib.Path) -> dict[str, str]:
    return {test: OUTCOMES.get(how, "failed") for test, how in ENDED.findall(said.read_text())}


SUITE = Django(
    name="django",
    package="Django",
    version="5.2.8",
    install=["Django==5.2.8", "psycopg[binary]==3.2.13", "tblib", "jinja2", "asgiref"],
    tests=[],
    databases=["other"],
)
