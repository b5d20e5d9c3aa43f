"""Keeps outcomes from run to run, and says which tests fail only through a proxy.

`known/<suite>.txt` lists the failures through pgherd that are understood: a test's id, two spaces, and the reason.
"""

import json
import pathlib

from .targets import WORKSHOP, pgbouncer_version

KNOWN = pathlib.Path(__file__).resolve().parents[1] / "known"


def file(suite, target: str) -> pathlib.Path:
    return WORKSHOP / suite.name / f"{target}.json"


def keep(suite, target: str, outcomes: dict[str, str]) -> None:
    file(suite, target).write_text(json.dumps(outcomes, indent=0))


def kept(suite, target: str) -> dict[str, str] | None:
    return json.loads(file(suite, target).read_text()) if file(suite, target).exists() else None


def known(suite) -> dict[str, str]:
    path = KNOWN / f"{suite.name}.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    return dict(line.split("  ", 1) for line in lines if line and not line.startswith("#"))


def table(suite) -> int:
    """Prints the suite's row and names; the count of failures through pgherd that nobody has explained."""
    direct = kept(suite, "direct")
    if direct is None:
        print(f"{suite.name}: no direct run to compare with")
        return 0
    passed = [test for test, outcome in direct.items() if outcome == "passed"]
    failures, row = {}, [f"{suite.name} {suite.version}: {len(passed)} of {len(direct)} pass directly"]
    for target, called in (("pgbouncer", f"PgBouncer {pgbouncer_version()}"), ("pgherd", "pgherd")):
        if (outcomes := kept(suite, target)) is not None:
            failures[target] = [test for test in passed if outcomes.get(test) != "passed"]
            row.append(f"{len(failures[target])} of them fail through {called}")
    print("; ".join(row))
    reasons = known(suite)
    for target, tests in failures.items():
        print(f"  through {target}:")
        for test in tests:
            print(f"    {test}" + (f"  ({reasons[test]})" if target == "pgherd" and test in reasons else ""))
    for test in reasons.keys() - set(failures.get("pgherd", reasons)):
        print(f"  known, but it passes: {test}")
    return len([test for test in failures.get("pgherd", []) if test not in reasons])
