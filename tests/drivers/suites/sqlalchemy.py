"""SQLAlchemy's dialect suites with psycopg2: reflection, types, savepoints, two-phase commit, isolation levels."""

import subprocess

from frame.suite import PythonSuite

# The tests want these beside the database's own schema, and transactions that can be prepared.
PREPARE = "CREATE SCHEMA test_schema; CREATE SCHEMA test_schema_2; CREATE EXTENSION hstore; CREATE EXTENSION citext"


def setup(suite, place):
    psql = ["psql", "-qXh", "127.0.0.1", "-p", str(place.server_port), "-U", place.user, "-d", place.database]
    subprocess.run([*psql, "-c", PREPARE], check=True)
    return {}


SUITE = PythonSuite(
    name="sqlalchemy",
    package="SQLAlchemy",
    version="2.0.44",
    install=["SQLAlchemy==2.0.44", "psycopg2-binary==2.9.13"],
    tests=["test/dialect/postgresql", "test/dialect/test_suite.py", "-p", "no:logging", "--maxfail=10000"],
    setup=setup,
    arguments=lambda suite, place: ["--dburi", f"postgresql+psycopg2://postgres@{place.host}:{place.port}/postgres"],
)
