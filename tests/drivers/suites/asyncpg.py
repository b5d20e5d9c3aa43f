"""asyncpg: the extended protocol in binary, with statements prepared, cached and described all the time."""

from frame.suite import PythonSuite

SUITE = PythonSuite(
    name="asyncpg",
    package="asyncpg",
    version="0.32.0",
    install=["asyncpg==0.32.0", "distro"],
    hide="asyncpg",
    tests=["tests", "--import-mode=importlib", "--ignore=tests/test__sourcecode.py", "--ignore=tests/test__environment.py"],
)
