"""The verbs, one function each. Each gives its exit code."""

import argparse
import os
import time
from collections.abc import Callable

from millrace_harness.dev import checks, doctor, environments, logs, variables
from millrace_harness.dev.backing import Shape
from millrace_harness.dev.demo import demo
from millrace_harness.dev.places import Places
from millrace_harness.dev.steps import Steps
from millrace_harness.dev.suite_run import run_all
from millrace_harness.dev.tables import console, table
from millrace_harness.dev.upward import bring_up, take_down

type Verb = Callable[[argparse.Namespace, Places, Steps], int]


def run_demo(options: argparse.Namespace, places: Places, steps: Steps) -> int:
    demo(places, steps, started=_started(), everything=options.all)
    return 0


def run_up(options: argparse.Namespace, places: Places, steps: Steps) -> int:
    up = bring_up(places, steps, Shape(options.brokers, options.compose or None))
    steps.say("ready" if up.changed else "all of it ran already, nothing was changed")
    print(up.deployment.url)
    return 0


def run_down(_: argparse.Namespace, places: Places, steps: Steps) -> int:
    with steps.step("stopping"):
        stopped = take_down(places)
    steps.say(f"stopped {', '.join(stopped)}" if stopped else "nothing was running")
    return 0


def run_env(_: argparse.Namespace, places: Places, __: Steps) -> int:
    print(variables.export_lines(variables.variables(places)), end="")
    return 0


def run_test(options: argparse.Namespace, places: Places, steps: Steps) -> int:
    return 0 if run_all(places, steps, options.suites, options.arguments) else 1


def run_check(_: argparse.Namespace, places: Places, steps: Steps) -> int:
    return _checked(places, steps, checks.check)


def run_fix(_: argparse.Namespace, places: Places, steps: Steps) -> int:
    return _checked(places, steps, checks.fix)


def run_doctor(_: argparse.Namespace, places: Places, __: Steps) -> int:
    findings = doctor.examine(places)
    rows = [(finding.what, finding.state, finding.hint) for finding in findings]
    console().print(table("", ("what", "state", "what to do"), rows), markup=False)
    return 1 if any(finding.hint for finding in findings) else 0


def run_logs(options: argparse.Namespace, places: Places, __: Steps) -> int:
    if options.name:
        logs.follow(places, options.name)
        return 0
    rows = sorted(logs.names(places).items())
    console().print(table("", ("log", "where"), rows))
    return 0


VERBS: dict[str, Verb] = {
    "demo": run_demo,
    "up": run_up,
    "down": run_down,
    "test": run_test,
    "env": run_env,
    "check": run_check,
    "fix": run_fix,
    "doctor": run_doctor,
    "logs": run_logs,
}


def _checked(places: Places, steps: Steps, work: Callable[[Places], list[checks.Checked]]) -> int:
    if not environments.is_installed(places, environments.TESTS):
        with steps.step("environment tests"):
            environments.install(places, environments.TESTS)
    done = work(places)
    for one in done:
        if not one.passed:
            print(f"--- {one.name}\n{one.said}")
        steps.say(f"{'ok' if one.passed else 'FAILED'}  {one.name} ({one.seconds:.1f} s)")
    return 0 if all(one.passed for one in done) else 1


def _started() -> float:
    """When the command was given, as the shell that began it noted; its decimal point follows its language."""
    return float(os.environ.get("MILLRACE_STARTED", str(time.time())).replace(",", "."))
