"""SQLAlchemy's dialect suite with psycopg2: reflection, types, savepoints, two-phase commit, isolation levels."""

from frame.suite import PythonSuite

SUITE = PythonSuite(
    name="sqlalchemy",
    package="SQLAlchemy",
    version="2.1.9",
    install=["SQLAlchemy==2.1.9", "psycopg2-binary==2.9.13"],
    tests=["test/dialect/postgresql", "test/dialect/test_suite.py", "-p", "no:logging", "--maxfail=10000"],
    arguments=lambda suite, place: [
        "--dburi", f"postgresql+psycopg2://postgres@{place.host}:{place.port}/postgres",
    ],
)
