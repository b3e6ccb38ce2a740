"""`demo`: the whole loop, seen working."""

import secrets
import shlex
import time

from rich.console import Console

from millrace_harness.dev import sample_run, webhooks
from millrace_harness.dev.backing import backing
from millrace_harness.dev.deployment import Deployment
from millrace_harness.dev.figures import init_ms, mebibytes, percentile, stored_after_ms
from millrace_harness.dev.function_logs import FunctionLogs
from millrace_harness.dev.keys import development_key
from millrace_harness.dev.places import Places
from millrace_harness.dev.steps import Steps
from millrace_harness.dev.tables import console, event_rows, table
from millrace_harness.dev.upward import bring_up

_SAMPLES = "tests/samples/github-webhooks.ndjson"
_SHOWN = 12
_COLUMNS = ("id", "type", "partition", "offset", "accepted", "stored", "between ms")


def demo(places: Places, steps: Steps, *, started: float, everything: bool) -> None:
    """Up, 50 real webhooks in, the same 50 out; `started` (Unix time) is when the command was given.

    Raises:
        Failed, PartFailed: a step could not be done, or an event did not come back.
    """
    up = bring_up(places, steps)
    setup_seconds = time.time() - started
    token, url = development_key(places), up.deployment.url
    events = webhooks.read(places.checkout / _SAMPLES, run=secrets.token_hex(4))
    with steps.step(f"sending {len(events)} GitHub webhooks to {url}/v1/events"):
        sent = sample_run.send(url, token, events)
    with steps.step(f"reading {len(events)} events back"):
        found = sample_run.read_back(url, token, sent.ids)
    shown = found if everything else found[:_SHOWN]
    paper = console()
    paper.print()
    paper.print(table("Read back through the API", _COLUMNS, event_rows(shown), right=_COLUMNS[2:]))
    if len(shown) < len(found):
        paper.print(f"… and {len(found) - len(shown)} more, all of them with --all")
    figures = _figures(places, up.deployment, found, sent.first_answer_ms, setup_seconds)
    paper.print()
    paper.print(table("Measured", ("what", "figure"), figures, right=("figure",)))
    if up.changed:
        paper.print("These events met cold starts, right after the deploy: a second demo meets none.")
    _say_what_next(paper, url, token, sent.ids[-1])


def _figures(
    places: Places, deployment: Deployment, found: list[webhooks.Event], first_answer_ms: float, setup_seconds: float
) -> list[tuple[str, str]]:
    between = [ms for event in found if (ms := stored_after_ms(event)) is not None]
    logs = FunctionLogs(deployment)
    starts = {name: init_ms(line for _, line in logs.lines(name)) for name in sorted(deployment.functions)}
    memory = {report.name: report.memory_bytes for report in backing(places).report()}
    each = ", ".join(f"{name} {size / 2**20:,.0f}" for name, size in memory.items())
    return [
        ("set-up, until the first event could be sent", f"{setup_seconds:.1f} s"),
        ("first answer", f"{first_answer_ms:.0f} ms"),
        *((f"cold start of {name}", "not logged" if ms is None else f"{ms:.0f} ms") for name, ms in starts.items()),
        *(
            (f"accepted to stored, {name}", f"{percentile(between, share):.0f} ms")
            for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
        ),
        (f"memory of all of it ({each})", mebibytes(sum(memory.values()))),
    ]


def _say_what_next(paper: Console, url: str, token: str, id_: str) -> None:
    header = shlex.quote(f"Authorization: Bearer {token}")
    paper.print()
    for text in (
        f"The API is at {url}. Try this:",
        f"  curl -s -H {header} {shlex.quote(f'{url}{sample_run.path_of(id_)}')}",
        f"  curl -s -H {header} {shlex.quote(f'{url}/v1/events?limit=3')}",
        f"  curl -s -H {header} {shlex.quote(f'{url}/v1/status')}",
        'Next: eval "$(localstack/dev env)" for a shell that knows all addresses, localstack/dev down to stop it.',
    ):
        # One line whatever its length, or it cannot be pasted.
        paper.print(text, soft_wrap=True, markup=False)
