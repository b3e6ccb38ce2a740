"""What is wrong is answered with its place, nothing of it is repeated, and no event suffers for its neighbour."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest

from shared.events.media import BATCH, LINES, PLAIN
from tests.fixtures.doors import IngestDoor, client_of
from tests.unit.bad_input import BATCHES, CANARY, EVENTS, GOOD, PLAIN_EVENTS, Case

# What is a batch for `/v1/events/batch` only, because nothing but the path says so.
NO_BATCH_BY_ITSELF = {
    "an empty body",
    "a string",
    "one event",
    "a member beside the events",
    "100,000 keys",
    "a CloudEvent's content type",
    "an event's headers",
    "a bomb",
    "another charset",
}
EVENTS_BY_THEMSELVES = [
    case for case in EVENTS if case.media_type not in (BATCH, LINES) and case.faults[0][1] != "event_too_large"
]
VALIDATED = EVENTS_BY_THEMSELVES[::5] + [case for case in BATCHES if case.name not in NO_BATCH_BY_ITSELF]


async def send(door: IngestDoor, path: str, body: bytes, headers: Sequence[tuple[str, str]]) -> httpx.Response:
    async with client_of(door.app) as client:
        response = await client.post(path, content=body, headers=[*headers])
    assert CANARY not in response.text
    assert CANARY not in str(response.headers)
    return response


def places(error: dict[str, Any]) -> list[tuple[str, str]]:
    return [(fault["pointer"], fault["code"]) for fault in error["errors"]]


async def is_refused(path: str, case: Case) -> None:
    door = IngestDoor()
    response = await send(door, path, case.body, case.headers)
    assert response.status_code == case.status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert (document["code"], document["retryable"], places(document)) == (case.code, False, case.faults)
    assert door.events == []


def test_the_table_is_as_long_as_it_was_meant_to_be() -> None:
    assert len(EVENTS) + len(BATCHES) >= 80
    assert sum(CANARY.encode() in case.body + repr(case.headers).encode() for case in EVENTS + BATCHES) > 80
    for table in (EVENTS, BATCHES):
        assert len({case.name for case in table}) == len(table)


@pytest.mark.parametrize("case", EVENTS, ids=[case.name for case in EVENTS])
async def test_a_bad_event_is_refused_with_its_place(case: Case) -> None:
    await is_refused("/v1/events", case)


@pytest.mark.parametrize("case", BATCHES, ids=[case.name for case in BATCHES])
async def test_a_bad_batch_is_refused_with_its_place(case: Case) -> None:
    await is_refused("/v1/events/batch", case)


@pytest.mark.parametrize("case", VALIDATED, ids=[case.name for case in VALIDATED])
async def test_validating_answers_the_same(case: Case) -> None:
    await is_refused("/v1/events/validate", case)


# A line can be anything but one that ends; an element of an array has to be JSON, or at least to be closed.
LINES_OF_THEIR_OWN = [
    case
    for case in PLAIN_EVENTS
    if case.body.strip() and b"\n" not in case.body and case.faults[0][1] not in ("utf8", "event_too_large")
]
ELEMENTS = [case for case in LINES_OF_THEIR_OWN if case.status != 400 and case.name != "deep and never closed"]


async def stands_alone(write: Callable[[list[bytes]], bytes], content_type: str, case: Case, at: str) -> None:
    door = IngestDoor()
    good = [json.dumps(GOOD | {"id": f"good-{number}"}).encode() for number in range(3)]
    body = write([good[0], case.body, *good[1:]])
    response = await send(door, "/v1/events/batch", body, [("content-type", content_type)])
    assert response.status_code == 207, response.text
    answer = response.json()
    assert (answer["accepted"], answer["rejected"], answer["retry"]) == (3, 1, 0)
    assert [result["status"] for result in answer["results"]] == ["accepted", "rejected", "accepted", "accepted"]
    assert [result["index"] for result in answer["results"]] == [0, 1, 2, 3]
    error = answer["results"][1]["error"]
    expected = [(f"{at}/1{pointer}", code) for pointer, code in case.faults]
    assert (error["code"], places(error)) == (case.code, expected)
    assert {event.id for event in door.events} == {"good-0", "good-1", "good-2"}
    assert len(door.events) == 3


@pytest.mark.parametrize("case", LINES_OF_THEIR_OWN, ids=[case.name for case in LINES_OF_THEIR_OWN])
async def test_a_bad_line_stands_alone_among_good_ones(case: Case) -> None:
    await stands_alone(b"\n".join, LINES, case, "")


@pytest.mark.parametrize("case", ELEMENTS, ids=[case.name for case in ELEMENTS])
async def test_a_bad_element_stands_alone_among_good_ones(case: Case) -> None:
    await stands_alone(lambda elements: b"[" + b",".join(elements) + b"]", PLAIN, case, "")
    await stands_alone(lambda elements: b'{"events": [' + b",".join(elements) + b"] }", PLAIN, case, "/events")


ODD_BUT_GOOD: list[tuple[str, dict[str, Any]]] = [
    ("an id with slashes", {"id": "../a/b//c?d#e%2F"}),
    ("an id of 255 characters", {"id": "é" * 255}),
    ("the year 2", {"time": "0002-01-01T00:00:00Z"}),
    ("the year 9998", {"time": "9998-12-31T23:59:59.999999Z"}),
    ("an offset of 14 hours", {"time": "2026-01-02T03:04:05+14:00"}),
    ("a lower case time", {"time": "2026-01-02t03:04:05z"}),
    ("null as data", {"data": None}),
    ("an absent subject", {"subject": None}),
    ("a paired surrogate", {"data": "\U0001f680"}),
    ("a tenant in data", {"data": {"tenant": "other"}}),
    ("20,000 keys in data", {"data": {f"{number}": 1 for number in range(20_000)}}),
]


@pytest.mark.parametrize("members", [members for _, members in ODD_BUT_GOOD], ids=[name for name, _ in ODD_BUT_GOOD])
async def test_what_is_only_unusual_is_accepted(members: dict[str, Any]) -> None:
    door = IngestDoor()
    body = json.dumps(GOOD | members)
    headers = [("content-type", PLAIN)]
    assert (await send(door, "/v1/events", body.encode(), headers)).status_code == 202
    batch = f"[{body}, {json.dumps(GOOD)}]".encode()
    assert (await send(IngestDoor(), "/v1/events/batch", batch, headers)).status_code == 202
    assert (door.events[0].tenant, door.events[0].principal) == ("tests", "development-key")


async def test_data_in_which_a_name_stands_twice_is_passed_on_as_it_was_written() -> None:
    data = b'{"a": 1, "a": 2}'
    body = json.dumps(GOOD | {"data": "?"}).encode().replace(b'"?"', data)
    for path, content in (("/v1/events", body), ("/v1/events/batch", b"[" + body + b"]")):
        door = IngestDoor()
        assert (await send(door, path, content, [("content-type", PLAIN)])).status_code == 202
        assert [bytes(event.data) for event in door.events] == [data]
