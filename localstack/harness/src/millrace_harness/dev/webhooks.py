"""Events out of the recorded GitHub webhooks that lie in `tests/samples`."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from millrace_harness.dev.failed import Failed

SOURCE = "https://github.com/webhooks"
type Event = dict[str, Any]


def read(path: Path, *, run: str) -> list[Event]:
    """One event a line. `run` goes into every id, so that the same lines are new events each time.

    Raises:
        Failed: the file is missing, or a line of it is not a webhook.
    """
    try:
        lines = path.read_text().splitlines()
        return [event(json.loads(line), id_=f"demo-{run}-{number:02}") for number, line in enumerate(lines, 1)]
    except (OSError, ValueError, KeyError) as problem:
        raise Failed(f"The samples in {path} cannot be read ({problem!r}): restore the file.") from problem


def event(webhook: dict[str, Any], *, id_: str) -> Event:
    """The event of one webhook: `com.github.<event>.<action>`, about its repository if it has one."""
    payload = webhook["payload"]
    action = payload.get("action")
    repository = (payload.get("repository") or {}).get("full_name")
    return {
        "type": ".".join(["com.github", webhook["event"], *([action] if isinstance(action, str) else [])]),
        "source": SOURCE,
        **({"subject": repository} if repository else {}),
        "id": id_,
        "data": payload,
    }


def parcels(events: list[Event], *, single: int, size: int) -> Iterator[list[Event]]:
    """The first `single` events alone, the rest in batches of `size`."""
    yield from ([one] for one in events[:single])
    rest = events[single:]
    yield from (rest[start : start + size] for start in range(0, len(rest), size))


def ids(events: Iterable[Event]) -> list[str]:
    """Their ids, in order."""
    return [one["id"] for one in events]
