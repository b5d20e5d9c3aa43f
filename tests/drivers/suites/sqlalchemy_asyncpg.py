"""SQLAlchemy's dialect suites with asyncpg: the extended protocol, prepared statements, binary values."""

from frame.suite import PythonSuite

from suites.sqlalchemy import setup

SUITE = PythonSuite(
    name="sqlalchemy_asyncpg",
    package="SQLAlchemy",
    version="2.0.44",
    install=["SQLAlchemy[asyncio]==2.0.44", "asyncpg==0.30.0"],
    tests=["test/dialect/postgresql", "test/dialect/test_suite.py", "-p", "no:logging", "--maxfail=10000"],
    setup=setup,
    arguments=lambda suite, place: ["--dburi", f"postgresql+asyncpg://postgres@{place.host}:{place.port}/postgres"],
)
