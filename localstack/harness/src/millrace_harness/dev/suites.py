"""`test`: every suite in its order, the first failing one ends it, and a table says what ran."""

import os
import subprocess
import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from millrace_harness.dev.checks import check
from millrace_harness.dev.failed import Failed
from millrace_harness.dev.places import Places

# pytest bounds each test (120 s unless it says otherwise); this bounds a suite that hangs outside of its tests.
_SUITE_SECONDS = 1200


@dataclass(frozen=True, slots=True)
class Suite:
    """Tests that are run together. `deployed`: they need the stack, and are told of it as `env` tells a shell.

    `parts`: they need parts, and use those of the stack where it is up; else they start their own.
    """

    name: str
    folder: str
    deployed: bool = False
    parts: bool = False


SUITES = (
    Suite("harness", "localstack/harness/tests"),
    Suite("plugin", "localstack/plugin/tests"),
    Suite("unit", "tests/unit"),
    Suite("contract", "tests/contract", parts=True),
    Suite("integration", "tests/integration", parts=True),
    Suite("stacks", "tests/stacks"),
    Suite("architecture", "tests/architecture"),
    Suite("local", "tests/local", deployed=True),
    Suite("faults", "tests/faults", deployed=True),
)
CHECK = "check"
NAMES = (CHECK, *(suite.name for suite in SUITES))


@dataclass(frozen=True, slots=True)
class Outcome:
    """One row of the table at the end. `tests` counts those that ran: a skipped one did not."""

    suite: str
    tests: int
    seconds: float
    passed: bool
    remark: str = ""


def chosen(names: Sequence[str]) -> list[Suite]:
    """The suites of these names, in their own order; all of them where none is named.

    Raises:
        Failed: there is no such suite.
    """
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise Failed(f"There is no suite {', '.join(unknown)}: the suites are {', '.join(NAMES)}.")
    return [suite for suite in SUITES if not names or suite.name in names]


def run_check(places: Places) -> Outcome:
    """The checks as one suite; what a failing one said is printed."""
    started = time.monotonic()
    checked = check(places)
    failing = [one for one in checked if not one.passed]
    for one in failing:
        print(f"--- {one.name}\n{one.said}", flush=True)
    remark = ", ".join(one.name for one in failing)
    return Outcome(CHECK, len(checked), time.monotonic() - started, not failing, remark)


def run_suite(places: Places, suite: Suite, arguments: Sequence[str], variables: Mapping[str, str]) -> Outcome:
    """Run one suite with pytest, its output where ours goes. A suite in which nothing ran has failed."""
    if not (places.checkout / suite.folder).is_dir():
        return Outcome(suite.name, 0, 0, passed=False, remark=f"there is no folder {suite.folder}")
    report = places.logs / f"{suite.name}.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    started = time.monotonic()
    code = _pytest(places, [suite.folder, f"--junitxml={report}", *arguments], variables)
    ran, skipped = counts(report)
    return judged(suite.name, code, ran, skipped, time.monotonic() - started)


def judged(name: str, code: int, ran: int, skipped: int, seconds: float) -> Outcome:
    """What pytest's exit code and counts mean."""
    remarks = [f"{skipped} skipped"] if skipped else []
    if ran == 0:
        remarks.insert(0, "no tests ran")
    elif code:
        remarks.insert(0, "failed")
    return Outcome(name, ran, seconds, passed=code == 0 and ran > 0, remark=", ".join(remarks))


def counts(report: Path) -> tuple[int, int]:
    """How many tests ran and how many were skipped, by pytest's own report; none where it wrote none."""
    if not report.exists():
        return 0, 0
    found = list(ET.parse(report).getroot().iter("testsuite"))  # noqa: S314 - pytest has just written it
    every = sum(int(one.get("tests", "0")) for one in found)
    skipped = sum(int(one.get("skipped", "0")) for one in found)
    return every - skipped, skipped


def _pytest(places: Places, arguments: Sequence[str], variables: Mapping[str, str]) -> int:
    command = [str(places.python("tests")), "-m", "pytest", "-q", *arguments]
    environment = {
        **{name: value for name, value in os.environ.items() if name != "MILLRACE_STATE"},
        **variables,
        "PYTHONSAFEPATH": "",  # tests import the checkout's packages
        "MILLRACE_UV": str(places.uv),
    }
    try:
        return subprocess.run(
            command, cwd=places.checkout, env=environment, timeout=_SUITE_SECONDS, check=False
        ).returncode
    except subprocess.TimeoutExpired:
        print(f"stopped after {_SUITE_SECONDS} s", flush=True)
        return 1
