"""Idempotency-Key, as clients of `ingest` see it."""

import asyncio
import gzip
import json
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from shared.adapters.memory.admission import MemoryAdmission
from shared.adapters.memory.events import MemoryEventLog
from shared.events.admission import Quota
from shared.events.model import Appended, Event, NotAppended
from tests.fixtures.doors import IngestDoor, client_of

EVENT = {"type": "order.placed", "data": {"number": 1}}
BATCH = [EVENT, EVENT]
KEY = {"idempotency-key": "order-1"}
REPLAYED = "idempotency-replayed"


def code_of(response: httpx.Response) -> tuple[int, str]:
    """The status, and the problem's code."""
    return response.status_code, response.json()["code"]


@pytest.fixture
def door() -> IngestDoor:
    """One with an empty log."""
    return IngestDoor()


@pytest.mark.parametrize(("path", "body"), [("/v1/events", EVENT), ("/v1/events/batch", BATCH)])
async def test_a_request_sent_again_has_its_answer_again_and_is_not_done_again(
    door: IngestDoor, path: str, body: Any
) -> None:
    async with client_of(door.app) as client:
        first, again = [await client.post(path, json=body, headers=KEY) for _ in range(2)]
    assert len(door.events) == (1 if body is EVENT else 2)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers.get("location") == first.headers.get("location")
    assert again.headers["content-type"] == first.headers["content-type"]
    assert (first.headers.get(REPLAYED), again.headers[REPLAYED]) == (None, "true")


async def test_a_replay_has_its_own_request_and_trace_and_tells_no_old_numbers(door: IngestDoor) -> None:
    async with client_of(door.app) as client:
        first, again = [await client.post("/v1/events", json=EVENT, headers=KEY) for _ in range(2)]
    for name in ("x-request-id", "traceparent"):
        assert first.headers[name] != again.headers[name]
    assert "ratelimit" in first.headers
    assert "ratelimit" not in again.headers
    assert "x-ratelimit-remaining" not in again.headers


async def test_without_a_key_each_request_is_done(door: IngestDoor) -> None:
    async with client_of(door.app) as client:
        answers = [await client.post("/v1/events", json=EVENT) for _ in range(2)]
    assert len(door.events) == 2
    assert all(REPLAYED not in answer.headers for answer in answers)


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("/v1/events", {"json": EVENT | {"data": 2}}),
        ("/v1/events/batch", {"json": EVENT}),
        ("/v1/events?x=1", {"json": EVENT}),
        ("/v1/events", {"content": json.dumps(EVENT), "headers": {"content-type": "application/json; charset=utf-8"}}),
    ],
)
async def test_another_request_under_the_key_is_refused(door: IngestDoor, path: str, change: dict[str, Any]) -> None:
    async with client_of(door.app) as client:
        await client.post("/v1/events", json=EVENT, headers=KEY)
        response = await client.post(path, **change | {"headers": change.get("headers", {}) | KEY})
    assert code_of(response) == (422, "idempotency_key_used")
    assert response.json()["retryable"] is False
    assert len(door.events) == 1


async def test_attributes_in_headers_are_part_of_the_request(door: IngestDoor) -> None:
    def binary(id_: str) -> dict[str, str]:
        attributes = {"ce-specversion": "1.0", "ce-id": id_, "ce-source": "/shop", "ce-type": "order.placed"}
        return KEY | attributes | {"content-type": "application/json"}

    async with client_of(door.app) as client:
        first, again, other = [
            await client.post("/v1/events", content=b"{}", headers=binary(id_)) for id_ in ("1", "1", "2")
        ]
    assert (first.status_code, again.headers[REPLAYED]) == (202, "true")
    assert code_of(other) == (422, "idempotency_key_used")


async def test_a_body_that_was_compressed_anew_is_the_same(door: IngestDoor) -> None:
    body = json.dumps(EVENT).encode()
    json_ = KEY | {"content-type": "application/json"}
    packed = [gzip.compress(body, mtime=moment) for moment in (1, 2)]
    assert packed[0] != packed[1]
    async with client_of(door.app) as client:
        first = await client.post("/v1/events", content=packed[0], headers=json_ | {"content-encoding": "gzip"})
        again = await client.post("/v1/events", content=packed[1], headers=json_ | {"content-encoding": "gzip"})
        plain = await client.post("/v1/events", content=body, headers=json_)
    assert first.status_code == 202
    assert again.headers[REPLAYED] == plain.headers[REPLAYED] == "true"


async def test_while_the_first_is_at_work_the_second_is_told_so(door: IngestDoor) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    class Slow(MemoryEventLog):
        async def append(self, events: Sequence[Event], *, within: float | None = None) -> list[Appended | NotAppended]:
            begun.set()
            await go_on.wait()
            return await super().append(events)

    door.log = Slow()
    async with client_of(door.app) as client:
        first = asyncio.create_task(client.post("/v1/events", json=EVENT, headers=KEY))
        await begun.wait()
        second = await client.post("/v1/events", json=EVENT, headers=KEY)
        go_on.set()
        third = [await first, await client.post("/v1/events", json=EVENT, headers=KEY)][1]
    assert code_of(second) == (409, "request_in_flight")
    assert second.json()["retryable"] is True
    assert second.headers["retry-after"] == "1"
    assert (third.status_code, third.headers[REPLAYED]) == (202, "true")
    assert len(door.events) == 1


async def test_a_refusal_is_kept_too(door: IngestDoor) -> None:
    async with client_of(door.app) as client:
        first, again = [await client.post("/v1/events", json={"type": ""}, headers=KEY) for _ in range(2)]
    assert first.status_code == 422
    assert (again.status_code, again.content, again.headers[REPLAYED]) == (422, first.content, "true")


async def test_a_batch_in_part_refused_is_kept(door: IngestDoor) -> None:
    async with client_of(door.app) as client:
        body = [EVENT, {"type": ""}]
        first, again = [await client.post("/v1/events/batch", json=body, headers=KEY) for _ in range(2)]
    assert (first.status_code, again.status_code, again.content) == (207, 207, first.content)
    assert len(door.events) == 1


@pytest.mark.parametrize(("path", "body"), [("/v1/events", EVENT), ("/v1/events/batch", BATCH)])
async def test_what_is_to_be_sent_again_can_be(door: IngestDoor, path: str, body: Any) -> None:
    door.log.away = door.spool.away = True
    async with client_of(door.app) as client:
        first = await client.post(path, json=body, headers=KEY)
        door.spool.away = False
        again = await client.post(path, json=body, headers=KEY)
    assert (first.status_code, again.status_code) == (503, 202)
    assert REPLAYED not in again.headers


async def test_a_batch_with_an_event_to_be_sent_again_is_not_kept(door: IngestDoor) -> None:
    now = 0.0
    door.admission = MemoryAdmission(Quota(events_per_second=1, burst=2), lambda: now)
    body = [EVENT | {"id": str(number)} for number in range(3)]
    async with client_of(door.app) as client:
        first = await client.post("/v1/events/batch", json=body, headers=KEY)
        now = 10.0
        again = await client.post("/v1/events/batch", json=body[2:], headers=KEY)
    assert [each["status"] for each in first.json()["results"]] == ["accepted", "accepted", "throttled"]
    assert (again.status_code, again.headers.get(REPLAYED)) == (202, None)


async def test_an_id_that_looks_like_a_status_is_no_reason_to_forget(door: IngestDoor) -> None:
    body = [EVENT | {"id": '"status":"retry"'}, {"type": ""}]
    async with client_of(door.app) as client:
        _, again = [await client.post("/v1/events/batch", json=body, headers=KEY) for _ in range(2)]
    assert (again.status_code, again.headers[REPLAYED]) == (207, "true")


async def test_an_error_that_nobody_foresaw_frees_the_key(door: IngestDoor) -> None:
    class Broken(MemoryEventLog):
        async def append(self, events: Sequence[Event], *, within: float | None = None) -> list[Appended | NotAppended]:
            raise ZeroDivisionError

    well, door.log = door.log, Broken()
    async with client_of(door.app) as client:
        assert (await client.post("/v1/events", json=EVENT, headers=KEY)).status_code == 500
    door.log = well
    async with client_of(door.app) as client:
        assert (await client.post("/v1/events", json=EVENT, headers=KEY)).status_code == 202


async def test_when_nobody_can_be_asked_the_work_is_done_and_it_is_said(door: IngestDoor) -> None:
    door.answers.away = True
    async with client_of(door.app) as client:
        first, again = [await client.post("/v1/events", json=EVENT, headers=KEY) for _ in range(2)]
    assert first.headers["degraded"] == again.headers["degraded"] == "idempotency"
    assert (first.status_code, again.status_code) == (202, 202)
    assert len(door.events) == 1  # its id is made from the key, and so it is a duplicate


@pytest.mark.parametrize("key", ['"order-1"', "order-1", "  order-1 "])
async def test_a_key_is_the_same_with_and_without_its_quotes(door: IngestDoor, key: str) -> None:
    async with client_of(door.app) as client:
        await client.post("/v1/events", json=EVENT, headers=KEY)
        response = await client.post("/v1/events", json=EVENT, headers={"idempotency-key": key})
    assert response.headers[REPLAYED] == "true"


@pytest.mark.parametrize("key", ['"' + "k" * 255 + '"', "k" * 255, '"a b"', r'"a\"b\\"', "~!#[]", '" "'])
async def test_any_printable_key_will_do(door: IngestDoor, key: str) -> None:
    async with client_of(door.app) as client:
        response = await client.post("/v1/events", json=EVENT, headers={"idempotency-key": key})
    assert response.status_code == 202


@pytest.mark.parametrize(
    "key",
    ["", '""', "k" * 256, '"' + "k" * 256 + '"', "a b", 'a"b', '"a', 'a"', r'"a\b"', b"\xc3\xa9", b"a\tb", '"a";x=1'],
)
async def test_a_key_that_cannot_be_read_is_refused(door: IngestDoor, key: str | bytes) -> None:
    async with client_of(door.app) as client:
        headers = [("idempotency-key", key)]
        response = await client.post("/v1/events", json=EVENT, headers=headers)  # type: ignore[arg-type]  # bytes too
    assert code_of(response) == (400, "malformed")
    (fault,) = response.json()["errors"]
    assert (fault["pointer"], fault["code"]) == ("", "idempotency_key")
    assert not door.events


async def test_two_keys_are_none(door: IngestDoor) -> None:
    async with client_of(door.app) as client:
        headers = [("idempotency-key", "a"), ("idempotency-key", "b")]
        response = await client.post("/v1/events", json=EVENT, headers=headers)
    assert code_of(response) == (400, "malformed")
