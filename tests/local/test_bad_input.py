"""Bad input gets a problem document that names the place, echoes nothing, and writes nothing."""

import json
import os

import httpx
import pytest
from confluent_kafka import Consumer, TopicPartition

MARK = "s3cr3t-m4rk"
JSON = "application/json"


def _event(**members: object) -> str:
    return json.dumps({"type": "test.bad", "data": MARK} | members)


CASES = {
    "invalid JSON": ("/v1/events", f'{{"type": "{MARK}", ', JSON, 400, ""),
    "a wrong content type": ("/v1/events", _event(), "text/plain", 415, ""),
    "an unknown field": ("/v1/events", _event(colour=MARK), JSON, 422, "/colour"),
    "a NUL in the data": ("/v1/events", _event(data={"a": ["x", f"{MARK}\0"]}), JSON, 422, "/data/a/1"),
    "a NUL in an attribute": ("/v1/events", _event(subject=f"{MARK}\0"), JSON, 422, "/subject"),
    "no type": ("/v1/events", json.dumps({"data": MARK}), JSON, 422, "/type"),
    "an event over 256 KiB": ("/v1/events", _event(data=MARK * 25_000), JSON, 413, ""),
    "a batch over 4 MiB": ("/v1/events/batch", f"[{', '.join([_event(data=MARK * 9_000)] * 44)}]", JSON, 413, ""),
    "an empty batch": ("/v1/events/batch", '{"events": []}', JSON, 422, "/events"),
}


def _written() -> int:
    """Records in the topic so far, of all partitions."""
    consumer = Consumer({"bootstrap.servers": os.environ["KAFKA_BOOTSTRAP"], "group.id": "looking"})
    try:
        partitions = consumer.list_topics("events", timeout=10).topics["events"].partitions
        return sum(consumer.get_watermark_offsets(TopicPartition("events", number), 10)[1] for number in partitions)
    finally:
        consumer.close()


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused(api: httpx.Client, case: str) -> None:
    path, body, content_type, status, pointer = CASES[case]
    before = _written()
    response = api.post(path, content=body.encode(), headers={"content-type": content_type})
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert pointer in [fault["pointer"] for fault in problem["errors"]]
    assert problem["status"] == status
    assert MARK not in response.text
    assert _written() == before


@pytest.mark.parametrize(
    ("members", "pointer"), [({"time": MARK}, "/1/time"), ({"data": MARK * 25_000}, "/1")], ids=["time", "too large"]
)
def test_a_bad_event_of_a_batch_is_told_at_its_place_and_its_neighbours_are_accepted(
    api: httpx.Client, members: dict[str, object], pointer: str
) -> None:
    body = f"[{_event()}, {_event(**members)}, {_event()}]"
    response = api.post("/v1/events/batch", content=body, headers={"content-type": JSON})
    assert response.status_code == 207, response.text
    results = response.json()["results"]
    assert [result["status"] for result in results] == ["accepted", "rejected", "accepted"]
    assert [fault["pointer"] for fault in results[1]["error"]["errors"]] == [pointer]
    assert MARK not in response.text


def test_a_path_that_is_not_served_is_not_found(api: httpx.Client) -> None:
    # The problem document around it is the gateway's own: LocalStack takes its status and ignores its template, which
    # tests/stacks reads instead.
    assert api.get("/v1/nothing").status_code == 404
