"""Figures out of what was read back and logged."""

import json
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

_INIT = re.compile(r"Init Duration: ([\d.]+) ms")


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0 < share <= 1) of all are not above: nearest rank, never made up."""
    ordered = sorted(values)
    rank = -(-share * len(ordered) // 1)
    return ordered[max(0, int(rank) - 1)]


def moment(event: dict[str, Any], state: str) -> datetime | None:
    """When the event came into `state`, by its timeline."""
    entries = [entry["at"] for entry in event["timeline"] if entry["state"] == state]
    return datetime.fromisoformat(entries[0]) if entries else None


def stored_after_ms(event: dict[str, Any]) -> float | None:
    """Milliseconds from accepted to stored; None while it is not stored."""
    accepted, stored = moment(event, "accepted"), moment(event, "stored")
    return None if accepted is None or stored is None else (stored - accepted).total_seconds() * 1000


def init_ms(lines: Iterable[str]) -> float | None:
    """The last init duration among a function's log lines, in Lambda's text format or its JSON format."""
    found = [duration for line in lines if (duration := _init_of(line)) is not None]
    return found[-1] if found else None


def _init_of(line: str) -> float | None:
    text = _INIT.search(line)
    if text:
        return float(text[1])
    if "platform.report" not in line:
        return None
    try:
        return float(json.loads(line)["record"]["metrics"]["initDurationMs"])
    except (ValueError, KeyError, TypeError):  # a report of a warm invocation has no such figure
        return None


def mebibytes(size: float) -> str:
    """For people."""
    return f"{size / 2**20:,.0f} MiB"
