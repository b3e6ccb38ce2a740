"""The heart of `demo`: events in through the API, and out again."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

from millrace_harness.dev.client import Answer, Client
from millrace_harness.dev.failed import Failed
from millrace_harness.dev.webhooks import SOURCE, Event, ids, parcels

SINGLE, BATCH = 10, 10
READERS = 4  # two cores, and each reader waits most of its time
# A first read is a cold start, and a batch may be tried again by its mapping; beyond this something is wrong.
READ_SECONDS = 45
_PAUSE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Sent:
    """What the API acknowledged, and how long its first answer took (a cold start, after a deploy)."""

    ids: tuple[str, ...]
    first_answer_ms: float


def send(url: str, token: str, events: Sequence[Event]) -> Sent:
    """Send all of them, some alone and the rest in batches.

    Raises:
        Failed: one was not acknowledged.
    """
    first_answer_ms = 0.0
    with Client(url, token) as client:
        for parcel in parcels(list(events), single=SINGLE, size=BATCH):
            started, alone = time.monotonic(), len(parcel) == 1
            answer = client.post("/v1/events", parcel[0]) if alone else client.post("/v1/events/batch", parcel)
            first_answer_ms = first_answer_ms or (time.monotonic() - started) * 1000
            if answer.status != HTTPStatus.ACCEPTED:
                reason = f"{_reason(answer)}; see localstack/dev logs ingest"
                raise Failed(f"The API did not accept {parcel[0]['id']}: {reason}.")
    return Sent(tuple(ids(events)), first_answer_ms)


def read_back(url: str, token: str, sent: Sequence[str], *, seconds: float = READ_SECONDS) -> list[dict[str, Any]]:
    """Every event as the API tells it, in the order of `sent`.

    Raises:
        Failed: one was not there in time; the message names those that are missing.
    """
    end = time.monotonic() + seconds

    with ThreadPoolExecutor(READERS) as pool:
        shares = [sent[number::READERS] for number in range(READERS)]
        found = {
            id_: event for part in pool.map(lambda mine: _read(url, token, mine, end), shares) for id_, event in part
        }
    lacking = [id_ for id_ in sent if id_ not in found]
    if lacking:
        raise Failed(
            f"{len(lacking)} of {len(sent)} events could not be read back within {seconds:.0f} s "
            f"({', '.join(lacking)}): see localstack/dev logs persist, and localstack/dev doctor."
        )
    return [found[id_] for id_ in sent]


def path_of(id_: str) -> str:
    """Where one event is read; an id is single within its source only."""
    return f"/v1/events/{quote(id_, safe='')}?{urlencode({'source': SOURCE})}"


def _read(url: str, token: str, mine: Sequence[str], end: float) -> list[tuple[str, dict[str, Any]]]:
    """Those that could be read until `end`. All are asked for in turns: a lost one must not hide the others."""
    found: list[tuple[str, dict[str, Any]]] = []
    waiting = list(mine)
    with Client(url, token) as client:
        while waiting and time.monotonic() < end:
            answers = [(id_, _stored(client, id_)) for id_ in waiting]
            found += [(id_, event) for id_, event in answers if event is not None]
            waiting = [id_ for id_, event in answers if event is None]
            if waiting:
                time.sleep(_PAUSE_SECONDS)
    return found


def _stored(client: Client, id_: str) -> dict[str, Any] | None:
    answer = client.get(path_of(id_))
    if answer.status == HTTPStatus.OK:
        event: dict[str, Any] = answer.document
        return event
    if answer.status in {HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE}:
        return None
    raise Failed(f"Reading {id_} back failed: {_reason(answer)}; see localstack/dev logs query.")


def _reason(answer: Answer) -> str:
    detail = answer.document.get("detail") if isinstance(answer.document, dict) else None
    return f"{answer.status}, {detail or 'without a problem document'}"
