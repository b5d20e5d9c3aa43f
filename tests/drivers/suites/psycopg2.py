"""psycopg2: libpq's synchronous and asynchronous calls, simple protocol, COPY, large objects, two-phase commit."""

from frame.suite import PythonSuite

SUITE = PythonSuite(
    name="psycopg2",
    package="psycopg2",
    version="2.9.13",
    install=["psycopg2-binary==2.9.13"],
    tests=["tests"],
    setup=lambda suite, place: {"PSYCOPG2_TESTDB": "postgres", "PSYCOPG2_TESTDB_USER": "postgres"},
)
