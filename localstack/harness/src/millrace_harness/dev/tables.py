"""What people are shown: tables on a terminal, and the same without control codes elsewhere."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from millrace_harness.dev.figures import moment, stored_after_ms

_WIDTH = 132  # of a table where there is no terminal to ask


def console() -> Console:
    """Standard output."""
    return Console(width=None if sys.stdout.isatty() else _WIDTH, highlight=False, soft_wrap=False)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()) -> Table:
    """A table; the columns named in `right` are set to the right."""
    shown = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        shown.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        shown.add_row(*row)
    return shown


def event_rows(events: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """id, type, partition, offset, accepted, stored and the milliseconds between the two."""
    rows = []
    for event in events:
        accepted, stored = moment(dict(event), "accepted"), moment(dict(event), "stored")
        between = stored_after_ms(dict(event))
        times = [f"{at:%H:%M:%S.%f}"[:-3] if at else "" for at in (accepted, stored)]
        shown = f"{between:.0f}" if between is not None else ""
        rows.append([event["id"], event["type"], str(event["partition"]), str(event["offset"]), *times, shown])
    return rows
