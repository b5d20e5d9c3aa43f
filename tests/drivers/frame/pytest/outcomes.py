"""A pytest plugin: notes each test's outcome as it comes, and leaves out the tests already noted."""

import os

NOTES = os.environ["OUTCOMES"]
noted = {}


def note(test: str, outcome: str) -> None:
    noted[test] = outcome
    with open(NOTES, "a") as file:
        file.write(f"{test}\t{outcome}\n")


def pytest_collection_modifyitems(config, items):
    if os.path.exists(NOTES):
        done = {line.rsplit("\t", 1)[0] for line in open(NOTES)}
        items[:] = [item for item in items if item.nodeid not in done]


def pytest_sessionfinish(session, exitstatus):
    note("", "finished")


def pytest_runtest_logstart(nodeid, location):
    note(nodeid, "started")


def pytest_runtest_logreport(report):
    if report.failed:
        note(report.nodeid, "failed")
    elif report.skipped and noted[report.nodeid] == "started":
        note(report.nodeid, "skipped")
    elif report.when == "call" and report.passed and noted[report.nodeid] == "started":
        note(report.nodeid, "passed")
