"""`ingest` as its clients see it."""

import json
from typing import Any
from uuid import UUID

import httpx
import pytest

from shared.events.limits import MAX_EVENT_BYTES
from shared.events.model import Appended, Event, NotAppended
from tests.fixtures.doors import IngestDoor, client_of

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


async def test_a_content_encoding_is_not_read(door: IngestDoor) -> None:
    async with client_of(door.app) as client:
        response = await client.post("/v1/events", json=EVENT, headers={"content-encoding": "gzip"})
    problem(response, 415, "unsupported_media_type")


@pytest.mark.parametrize("path", ["/v1/events", "/v1/events/batch"])
async def test_an_absent_log_is_told_with_the_ids_to_send_again(door: IngestDoor, path: str) -> None:
    door.log.away = True
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

    async def half(events: list[Event]) -> list[Appended | NotAppended]:
        return [*await whole(events[:1]), *[NotAppended("late")] * (len(events) - 1)]

    # The memory log is away as a whole or not at all; real brokers can be away one by one.
    monkeypatch.setattr(door.log, "append", half)
    async with client_of(door.app) as client:
        response = await client.post("/v1/events/batch", json=[EVENT, EVENT])
    assert response.status_code == 207
    assert [result["status"] for result in response.json()["results"]] == ["accepted", "retry"]
    assert (response.json()["accepted"], response.json()["retry"]) == (1, 1)


async def test_one_wrong_event_keeps_a_batch_out(door: IngestDoor) -> None:
    async with client_of(door.app) as client:
        response = await client.post("/v1/events/batch", json=[EVENT, {"type": "", "data": 1}])
    document = problem(response, 422, "unprocessable")
    assert [fault["pointer"] for fault in document["errors"]] == ["/1/type"]
    assert door.log.records() == []


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
    async def broken(events: list[Event]) -> list[Appended | NotAppended]:
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
