"""`ingest` as its clients see it."""

import gzip
import json
from collections.abc import Callable, Sequence
from typing import Any, Literal
from uuid import UUID

import httpx
import pytest
from backports import zstd

from shared.adapters.memory.admission import MemoryAdmission, MemoryWaiters
from shared.adapters.memory.events import MemoryEventStore
from shared.events.admission import Quota
from shared.events.limits import MAX_EVENT_BYTES
from shared.events.model import Appended, Event, NotAppended
from shared.events.ports import EventFilter
from tests.fixtures.doors import IngestDoor, client_of
from tests.fixtures.events import a_record
from tests.fixtures.rules import FixedRule

GIVEN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
EVENT = {"type": "order.placed", "data": {"number": 1}}


def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert (document["status"], document["code"]) == (status, code)
    assert document["trace_id"] == response.headers["traceparent"].split("-")[1]
    return document


@pytest.fixture
def door() -> IngestDoor:
    """One with an empty log."""
    return IngestDoor()


async def test_an_event_is_accepted_with_its_receipt(door: IngestDoor) -> None:
    async with client_of(door.app) as client:
        response = await client.post("/v1/events", json=EVENT | {"id": "order/1 é"})
    (record,) = door.log.records()
    assert response.status_code == 202
    assert response.headers["location"] == "events/order%2F1%20%C3%A9"
    assert response.json() == {
        "id": "order/1 é",
        "status": "accepted",
        "topic": "events",
        "partition": record.position.partition,
        "offset": 0,
        "position": str(record.position),
        "trace_id": response.headers["traceparent"].split("-")[1],
    }


async def test_a_cloud_event_is_accepted(door: IngestDoor) -> None:
    content = json.dumps({"specversion": "1.0", "id": "1", "source": "/shop", "type": "t", "region": "eu"})
    async with client_of(door.app) as client:
        response = await client.post(
            "/v1/events", content=content, headers={"content-type": "application/cloudevents+json"}
        )
    assert response.status_code == 202
    assert door.log.records()[0].event.extensions == {"region": "eu"}


async def test_the_trace_of_the_caller_goes_on_into_the_log(door: IngestDoor) -> None:
    async with client_of(door.app) as client:
        response = await client.post("/v1/events", json=EVENT, headers={"traceparent": GIVEN})
    assert response.headers["traceparent"].startswith(GIVEN[:35])
    assert response.headers["traceparent"] != GIVEN
    assert door.log.records()[0].event.traceparent == response.headers["traceparent"]


async def test_every_answer_carries_a_request_id(door: IngestDoor) -> None:
    async with client_of(door.app) as client:
        responses = [await client.get(path) for path in ("/health/live", "/nothing", "/v1/events")]
    assert len({UUID(response.headers["x-request-id"]) for response in responses}) == 3


async def test_tenant_and_principal_are_those_of_the_key(door: IngestDoor) -> None:
    async with client_of(door.app) as client:
        await client.post("/v1/events", json=EVENT)
    event = door.log.records()[0].event
    assert (event.tenant, event.principal) == ("tests", "development-key")


@pytest.mark.parametrize("path", ["/v1/events", "/v1/events/batch"])
@pytest.mark.parametrize("key", [None, "another-key", ""])
async def test_without_a_known_key_nothing_is_read_or_written(door: IngestDoor, path: str, key: str | None) -> None:
    async with client_of(door.app, key=key) as client:
        response = await client.post(path, content=b"not json at all")
    problem(response, 401, "unauthenticated")
    assert response.headers["www-authenticate"] == "Bearer"
    assert door.log.records() == []


@pytest.mark.parametrize(
    ("content", "content_type", "status", "code", "pointer"),
    [
        (b"{", "application/json", 400, "malformed", ""),
        (json.dumps(EVENT).encode(), "text/plain", 415, "unsupported_media_type", ""),
        (json.dumps(EVENT | {"data": "x" * MAX_EVENT_BYTES}).encode(), "application/json", 413, "too_large", ""),
        (json.dumps(EVENT | {"data": ["\0"]}).encode(), "application/json", 422, "unprocessable", "/data/0"),
        (
            json.dumps(EVENT | {"time": "9999-12-31T23:59:59-10:00"}).encode(),
            "application/json",
            422,
            "unprocessable",
            "/time",
        ),
        (json.dumps(EVENT | {"colour": 1}).encode(), "application/json", 422, "unprocessable", "/colour"),
        (b'{"type":"t","data":' + b"[" * 99_999 + b"]" * 99_999 + b"}", "application/json", 422, "unprocessable", ""),
    ],
)
async def test_bad_input_is_a_problem_that_names_its_place(
    door: IngestDoor, content: bytes, content_type: str, status: int, code: str, pointer: str
) -> None:
    async with client_of(door.app) as client:
        response = await client.post("/v1/events", content=content, headers={"content-type": content_type})
    document = problem(response, status, code)
    assert [fault["pointer"] for fault in document["errors"]] == [pointer]
    assert document["retryable"] is False
    assert door.log.records() == []


async def test_an_encoding_that_is_not_read_is_told(door: IngestDoor) -> None:
    async with client_of(door.app) as client:
        response = await client.post("/v1/events", json=EVENT, headers={"content-encoding": "br"})
    problem(response, 415, "unsupported_media_type")


@pytest.mark.parametrize("encode", [gzip.compress, zstd.compress])
@pytest.mark.parametrize("path", ["/v1/events", "/v1/events/batch"])
async def test_a_compressed_body_is_read(door: IngestDoor, encode: Callable[[bytes], bytes], path: str) -> None:
    content = json.dumps([EVENT] if path.endswith("batch") else EVENT).encode()
    name = encode.__module__.rpartition(".")[2].strip("_")
    headers = {"content-encoding": name, "content-type": "application/json"}
    async with client_of(door.app) as client:
        response = await client.post(path, content=encode(content), headers=headers)
    assert response.status_code == 202, response.text
    assert door.events[0].type == "order.placed"


@pytest.mark.parametrize("path", ["/v1/events", "/v1/events/batch"])
async def test_an_absent_log_and_spool_are_told_with_the_ids_to_send_again(door: IngestDoor, path: str) -> None:
    door.log.away = door.spool.away = True
    sent: Any = EVENT | {"id": "order-1"}
    async with client_of(door.app) as client:
        response = await client.post(path, json=[sent] if path.endswith("batch") else sent)
    document = problem(response, 503, "unavailable")
    assert document["results"] == [{"index": 0, "id": "order-1", "status": "retry"}]
    assert document["retryable"] is True
    assert response.headers["retry-after"] == "2"


async def test_a_batch_is_accepted_with_a_receipt_for_each(door: IngestDoor) -> None:
    sent = [EVENT | {"id": f"order-{number}", "key": "one"} for number in range(3)]
    async with client_of(door.app) as client:
        response = await client.post("/v1/events/batch", json={"events": sent})
    body = response.json()
    partition = door.log.records()[0].position.partition
    assert response.status_code == 202
    assert (body["accepted"], body["retry"], body["position"]) == (3, 0, f"{partition}:2")
    assert [(result["index"], result["id"], result["offset"]) for result in body["results"]] == [
        (number, f"order-{number}", number) for number in range(3)
    ]


async def test_a_batch_that_was_half_appended_says_which_half(
    door: IngestDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = door.log.append

    async def half(events: list[Event], *, within: float) -> list[Appended | NotAppended]:
        return [*await whole(events[:1]), *[NotAppended("late")] * (len(events) - 1)]

    # The memory log is away as a whole or not at all; real brokers can be away one by one.
    monkeypatch.setattr(door.log, "append", half)
    async with client_of(door.app) as client:
        response = await client.post("/v1/events/batch", json=[EVENT, EVENT])
    assert response.status_code == 207
    assert [result["status"] for result in response.json()["results"]] == ["accepted", "retry"]
    assert (response.json()["accepted"], response.json()["retry"]) == (1, 1)


async def test_a_wrong_event_does_not_keep_its_neighbours_out(door: IngestDoor) -> None:
    async with client_of(door.app) as client:
        response = await client.post("/v1/events/batch", json=[EVENT, {"type": "", "data": 1, "id": "b"}, EVENT])
    assert response.status_code == 207
    body = response.json()
    assert (body["accepted"], body["duplicates"], body["rejected"], body["retry"]) == (2, 0, 1, 0)
    assert body["results"][1] == {
        "index": 1,
        "id": "b",
        "status": "rejected",
        "error": {
            "type": "urn:millrace:problem:unprocessable",
            "code": "unprocessable",
            "detail": "The event cannot be accepted.",
            "errors": [{"pointer": "/1/type", "code": "length", "detail": "Expected str of length >= 1."}],
        },
    }
    assert len(door.events) == 2


async def test_a_batch_of_wrong_events_is_a_problem_with_all_results(door: IngestDoor) -> None:
    async with client_of(door.app) as client:
        response = await client.post("/v1/events/batch", json={"events": [{"type": "", "data": 1}, 7]})
    document = problem(response, 422, "unprocessable")
    assert [fault["pointer"] for fault in document["errors"]] == ["/events/0/type", "/events/1"]
    assert (document["rejected"], len(document["results"])) == (2, 2)
    assert door.events == []


async def test_only_what_went_wrong_is_listed_when_asked(door: IngestDoor) -> None:
    async with client_of(door.app) as client:
        response = await client.post("/v1/events/batch?results=errors", json=[EVENT, 7])
        assert [result["index"] for result in response.json()["results"]] == [1]
        assert (response.json()["accepted"], response.json()["rejected"]) == (1, 1)
        response = await client.post("/v1/events/batch?results=errors", json=[EVENT, EVENT])
        assert (response.status_code, response.json()["results"], response.json()["accepted"]) == (202, [], 2)
        for query in ("results=some", "results=all&results=all", "result=errors"):
            problem(await client.post(f"/v1/events/batch?{query}", json=[EVENT]), 422, "unprocessable")


async def test_a_duplicate_is_told_with_the_original_receipt(door: IngestDoor) -> None:
    async with client_of(door.app) as client:
        first = await client.post("/v1/events", json=EVENT | {"id": "1"})
        second = await client.post("/v1/events", json=EVENT | {"id": "1"})
        batch = await client.post("/v1/events/batch", json=[EVENT | {"id": "1"}])
    assert second.status_code == batch.status_code == 202
    assert second.json() | {"trace_id": ""} == first.json() | {"trace_id": "", "status": "duplicate"}
    assert (batch.json()["accepted"], batch.json()["duplicates"]) == (0, 1)
    assert batch.json()["results"][0]["offset"] == first.json()["offset"]


@pytest.mark.parametrize("mode", ["warn", "enforce"])
async def test_the_faults_of_a_batch_fit_an_answer(door: IngestDoor, mode: Literal["warn", "enforce"]) -> None:
    wrong = tuple(f"/{'é' * 300}{number}" for number in range(20))
    door.rules.rules["tests"] = {"order.placed": FixedRule(mode=mode, wrong=wrong)}
    async with client_of(door.app) as client:
        response = await client.post("/v1/events/batch", json=[EVENT] * 1000)
    assert response.status_code == (202 if mode == "warn" else 422)
    assert len(response.content) < 2_000_000
    assert len(response.json()["results"]) == 1000


async def test_a_spooled_event_is_accepted_and_has_no_position_yet(door: IngestDoor) -> None:
    door.log.away = True
    async with client_of(door.app) as client:
        response = await client.post("/v1/events", json=EVENT | {"id": "1"})
        batch = await client.post("/v1/events/batch", json=[EVENT | {"id": "2"}])
    assert response.status_code == batch.status_code == 202
    assert response.json().keys() == {"id", "status", "trace_id"}
    assert response.headers["location"] == "events/1"
    assert (batch.json()["accepted"], batch.json()["position"]) == (1, "")
    assert [result["status"] for result in batch.json()["results"]] == ["spooled"]


async def test_over_the_quota_a_batch_is_partly_throttled_and_then_a_429(door: IngestDoor) -> None:
    door.admission = MemoryAdmission(Quota(events_per_second=2, burst=3), now=lambda: 0.0)
    sent = [EVENT | {"id": str(number)} for number in range(5)]
    async with client_of(door.app) as client:
        partly = await client.post("/v1/events/batch", json=sent)
        wholly = await client.post("/v1/events/batch", json=sent[3:])
        single = await client.post("/v1/events", json=sent[4])
    assert partly.status_code == 207
    assert [result["status"] for result in partly.json()["results"]] == ["accepted"] * 3 + ["throttled"] * 2
    assert (partly.json()["accepted"], partly.json()["retry"]) == (3, 2)
    assert partly.headers["ratelimit-policy"] == '"tenant";q=3;w=2'
    assert partly.headers["ratelimit"] == '"tenant";r=0;t=2'
    for response in (wholly, single):
        assert problem(response, 429, "quota_exceeded")["results"][0]["status"] == "throttled"
        assert response.headers["retry-after"] == "1"
        assert response.headers["x-ratelimit-remaining"] == "0"


async def test_a_client_that_resends_only_what_it_is_told_to_ends_with_every_event_once(door: IngestDoor) -> None:
    now = 0.0
    door.admission = MemoryAdmission(Quota(events_per_second=10, burst=7), now=lambda: now)
    pending = [EVENT | {"id": str(number), "key": "one"} for number in range(40)]
    whole = door.log.append
    turn = 0

    async def unsteady(events: list[Event], *, within: float) -> list[Appended | NotAppended]:
        nonlocal turn
        turn += 1
        answers = await whole(events)
        return [NotAppended("late")] * len(events) if turn % 3 == 2 else answers

    door.log.append = unsteady  # type: ignore[assignment, method-assign]  # acknowledgements that are lost
    async with client_of(door.app) as client:
        for _ in range(60):
            response = await client.post("/v1/events/batch", json=pending)
            assert response.status_code in (202, 207, 429, 503)
            again = {"throttled", "retry"}
            pending = [pending[each["index"]] for each in response.json()["results"] if each["status"] in again]
            now += 1
            if not pending:
                break
    store = MemoryEventStore()
    spooled = [a_record(event) for name in await door.spool.names(100) for event in await door.spool.get(name)]
    assert spooled, "the breaker was open for a while"
    await store.store(door.log.records() + spooled)
    rows = await store.page("tests", EventFilter(), after=None, limit=100, descending=False)
    assert sorted(int(row.event.id) for row in rows) == list(range(40))


async def test_validating_answers_the_same_and_writes_nothing(door: IngestDoor) -> None:
    path = "/v1/events/validate"
    async with client_of(door.app) as client:
        single = await client.post(path, json=EVENT | {"id": "1"})
        mixed = await client.post(path, json={"events": [EVENT, 7]})
        problem(await client.post(path, json={"type": "", "data": 1}), 422, "unprocessable")
        problem(await client.post(path, json=[7]), 422, "unprocessable")
        problem(await client.post(path, content=b"{", headers={"content-type": "application/json"}), 400, "malformed")
    assert (single.status_code, single.json()["status"]) == (202, "accepted")
    assert "location" not in single.headers
    assert [result["status"] for result in mixed.json()["results"]] == ["accepted", "rejected"]
    assert (mixed.status_code, door.events, door.admission.asked) == (207, [], 0)


async def test_validating_has_no_use_for_an_idempotency_key(door: IngestDoor) -> None:
    async with client_of(door.app) as client:
        for key in ("a", "a", '"'):
            response = await client.post("/v1/events/validate", json=EVENT, headers={"idempotency-key": key})
            assert (response.status_code, response.headers.get("idempotency-replayed")) == (202, None)


async def test_limits_are_told_without_a_key(door: IngestDoor) -> None:
    async with client_of(door.app, key=None) as client:
        limits = (await client.get("/v1/limits")).json()
    assert (limits["event_bytes"], limits["batch_bytes"], limits["batch_events"]) == (262_144, 4_194_304, 1000)
    assert limits["content_encodings"] == ["identity", "gzip", "zstd"]
    assert (limits["idempotency_hours"], limits["wait_seconds"]) == (24, 8)


@pytest.mark.parametrize("prefer", ["wait=5", 'respond-async, wait="5"; x', "Wait = 5"])
async def test_a_row_that_is_there_in_time_is_a_201(door: IngestDoor, prefer: str) -> None:
    class Told(MemoryWaiters):
        async def wait(self, waiter: str, keys: Sequence[UUID], *, seconds: float) -> set[UUID]:
            assert 4 < seconds <= 5
            return set(keys)

    door.waiters = Told()
    async with client_of(door.app) as client:
        single = await client.post("/v1/events", json=EVENT, headers={"prefer": prefer})
        batch = await client.post("/v1/events/batch", json=[EVENT, EVENT], headers={"prefer": prefer})
    assert (single.status_code, single.json()["status"]) == (201, "stored")
    assert (batch.status_code, [each["status"] for each in batch.json()["results"]]) == (201, ["stored"] * 2)
    assert batch.headers["preference-applied"] == "wait=5"


async def test_when_the_time_is_up_the_answer_is_202(door: IngestDoor) -> None:
    async with client_of(door.app) as client:
        response = await client.post("/v1/events", json=EVENT, headers={"prefer": "wait=1"})
    assert (response.status_code, response.json()["status"]) == (202, "accepted")


async def test_what_could_not_be_done_is_told_in_a_header(door: IngestDoor) -> None:
    door.admission.away = door.rules.away = door.answers.away = True
    async with client_of(door.app) as client:
        response = await client.post("/v1/events", json=EVENT, headers={"idempotency-key": "k"})
    assert response.status_code == 202
    assert response.headers["degraded"] == "schemas, dedup, order, idempotency"


async def test_health_needs_no_key_and_minds_the_log(door: IngestDoor) -> None:
    async with client_of(door.app, key=None) as client:
        assert (await client.get("/health/live")).json() == {"status": "live"}
        assert (await client.get("/health/ready")).status_code == 200
        door.log.away = True
        assert (await client.get("/health/live")).status_code == 200
        response = await client.get("/health/ready")
    problem(response, 503, "unavailable")
    assert response.headers["retry-after"] == "2"


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("DELETE", "/v1/events", 405)])
async def test_what_is_not_served_is_a_problem(door: IngestDoor, method: str, path: str, status: int) -> None:
    async with client_of(door.app) as client:
        problem(await client.request(method, path), status, "no_route")


async def test_an_error_that_nobody_foresaw_is_a_problem_without_its_text(
    door: IngestDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(events: list[Event], *, within: float) -> list[Appended | NotAppended]:
        raise ZeroDivisionError("s3cret")

    # No adapter is meant to do this, so none can be asked to.
    monkeypatch.setattr(door.log, "append", broken)
    async with client_of(door.app) as client:
        response = await client.post("/v1/events", json=EVENT)
    document = problem(response, 500, "internal")
    assert "s3cret" not in response.text
    assert document["retryable"] is False


async def test_interactive_documentation_is_not_served(door: IngestDoor) -> None:
    async with client_of(door.app) as client:
        statuses = [(await client.get(path)).status_code for path in ("/docs", "/redoc", "/openapi.json")]
    assert statuses == [404, 404, 404]
