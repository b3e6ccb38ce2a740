"""`test`: the stack of its own, the suites in order, and the table at the end."""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from millrace_harness.dev import environments
from millrace_harness.dev.places import Places
from millrace_harness.dev.steps import Steps
from millrace_harness.dev.suites import CHECK, Outcome, Suite, chosen, run_check, run_suite
from millrace_harness.dev.tables import console, table
from millrace_harness.dev.upward import Up, bring_up, take_down
from millrace_harness.dev.variables import variables


def run_all(places: Places, steps: Steps, names: Sequence[str], arguments: Sequence[str]) -> bool:
    """Run the suites of these names, all where none is named; True when each passed.

    The deployed stack is brought up beside the checks, in a state folder of its own, and taken down in any case.

    Raises:
        Failed, PartFailed: something could not even be begun; what had been started is stopped.
    """
    suites = chosen(names)
    outcomes: list[Outcome] = []
    deployed = any(suite.deployed for suite in suites)
    try:
        with ThreadPoolExecutor(1) as pool:
            stack = pool.submit(bring_up, places, steps) if deployed else None
            _prepare(places, steps)
            if not names or CHECK in names:
                with steps.step(CHECK):
                    outcomes.append(run_check(places))
            outcomes += _until_one_fails(places, steps, suites if _all_passed(outcomes) else [], stack, arguments)
    finally:
        if deployed:
            with steps.step("stopping what the tests ran against"):
                take_down(places)
    _print(outcomes)
    return _all_passed(outcomes)


def _until_one_fails(
    places: Places,
    steps: Steps,
    suites: Sequence[Suite],
    stack: Future[Up] | None,
    arguments: Sequence[str],
) -> list[Outcome]:
    outcomes: list[Outcome] = []
    if not suites:
        return outcomes
    if stack:
        started = time.monotonic()
        stack.result()
        outcomes.append(Outcome("up", 0, time.monotonic() - started, passed=True, remark="waited for, after check"))
    for suite in suites:
        steps.say(f"suite {suite.name}")
        known = variables(places) if suite.deployed else {}
        state = {"MILLRACE_STATE": str(places.state)} if stack and (suite.deployed or suite.parts) else {}
        outcomes.append(run_suite(places, suite, arguments, {**known, **state}))
        if not outcomes[-1].passed:
            break
    return outcomes


def _prepare(places: Places, steps: Steps) -> None:
    for environment in (environments.TESTS, environments.RUNTIME):
        if not environments.is_installed(places, environment):
            with steps.step(f"environment {environment.name}"):
                environments.install(places, environment)


def _all_passed(outcomes: Sequence[Outcome]) -> bool:
    return all(outcome.passed for outcome in outcomes)


def _print(outcomes: Sequence[Outcome]) -> None:
    rows = [
        (
            outcome.suite,
            str(outcome.tests or ""),
            f"{outcome.seconds:.1f}",
            "passed" if outcome.passed else "FAILED",
            outcome.remark,
        )
        for outcome in outcomes
    ]
    columns = ("suite", "tests", "seconds", "result", "")
    console().print()
    console().print(table("", columns, rows, right=("tests", "seconds")))
