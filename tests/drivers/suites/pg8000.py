"""pg8000: the pure Python driver; it prepares, describes and executes every statement that has parameters."""

from frame.suite import PythonSuite

SUITE = PythonSuite(
    name="pg8000",
    package="pg8000",
    version="1.31.6",
    install=["pg8000==1.31.6", "pytz", "pytest-benchmark", "pytest-mock"],
    users=["boltzmann"],
    # The folders `auth` need a server with passwords of every kind.
    tests=["test/native", "test/dbapi", "test/legacy", "--ignore-glob=*/auth", "--ignore-glob=*benchmarks*", "--deselect=test/native/test_query.py::test_max_parameters"],
)
