"""What a producer can ask of an answer: that the row stands, that a repetition is none, that a type is enforced."""

import time
from uuid import uuid4

import httpx

from tests.fixtures.deployment import Ledger, read_back

# Ingest looks at a changed type after 5 s at most.
ENFORCED_SECONDS = 20.0


def test_who_waits_is_told_that_the_event_is_stored_and_it_is(api: httpx.Client) -> None:
    stored = api.post("/v1/events", json={"type": "t", "data": 1}, headers={"prefer": "wait=8"})
    assert stored.status_code == 201, stored.text
    assert stored.headers["preference-applied"] == "wait=8"
    receipt = stored.json()
    assert receipt["status"] == "stored"
    found = api.get(stored.url.join(stored.headers["location"]))
    if found.status_code == httpx.codes.NOT_FOUND:  # the replica is a moment behind the row that was waited for
        found = httpx.Response(200, json=read_back(api, receipt["id"]))
    assert (found.json()["partition"], found.json()["offset"]) == (receipt["partition"], receipt["offset"])


def test_a_request_with_the_same_key_is_answered_again_and_not_done_again(api: httpx.Client, ledger: Ledger) -> None:
    key = str(uuid4())
    request = {"type": "t", "data": {"no": "id, so that each would be another event"}}
    first = api.post("/v1/events", json=request, headers={"idempotency-key": key})
    again = api.post("/v1/events", json=request, headers={"idempotency-key": key})
    assert (first.status_code, again.status_code) == (202, 202)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert (again.content, again.headers["location"]) == (first.content, first.headers["location"])
    other = api.post("/v1/events", json={"type": "t", "data": 2}, headers={"idempotency-key": key})
    assert other.status_code == 422
    ledger.acknowledged.append(first.json()["id"])
    ledger.assert_stored_once()


def test_the_same_event_again_is_a_duplicate_with_the_receipt_of_the_first(api: httpx.Client) -> None:
    event = {"type": "t", "source": "urn:test", "id": str(uuid4()), "data": 1}
    first, again = api.post("/v1/events", json=event).json(), api.post("/v1/events", json=event).json()
    assert (first["status"], again["status"]) == ("accepted", "duplicate")
    assert (again["partition"], again["offset"]) == (first["partition"], first["offset"])


def test_a_type_that_is_put_through_manage_is_enforced_by_ingest(api: httpx.Client) -> None:
    type_ = f"test.ruled.{uuid4()}"
    schema = {"type": "object", "properties": {"count": {"type": "integer"}}, "required": ["count"]}
    made = api.put(f"/v1/event-types/{type_}", json={"schema": schema, "mode": "enforce"})
    assert made.status_code == 201, made.text
    assert api.get(f"/v1/event-types/{type_}").json()["schema"] == schema
    bad, good = {"type": type_, "data": {"count": "x"}}, {"type": type_, "data": {"count": 1}}
    deadline = time.monotonic() + ENFORCED_SECONDS
    while (refused := api.post("/v1/events", json=bad)).status_code == 202:
        assert time.monotonic() < deadline, "the type is not enforced"
        time.sleep(0.2)
    assert refused.status_code == 422
    assert [fault["pointer"] for fault in refused.json()["errors"]] == ["/data/count"]
    mixed = api.post("/v1/events/batch", json=[good, bad])
    assert mixed.status_code == 207
    assert [result["status"] for result in mixed.json()["results"]] == ["accepted", "rejected"]
    assert api.post("/v1/events/validate", json=good).status_code == 202
    assert type_ in api.get("/asyncapi.json").text
