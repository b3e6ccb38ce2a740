"""The CloudEvents SDK for Python as a client: what it sends is what can be read again, in every mode."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from cloudevents.core.bindings.http import HTTPMessage, to_binary, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from shared.events.formats import parse_event
from tests.fixtures.doors import IngestDoor, QueryDoor, client_of
from tests.fixtures.events import MOMENT

JSON = JSONFormat()
ATTRIBUTES: dict[str, Any] = {
    "specversion": "1.0",
    "id": 'order/1 é 100% "quoted"',
    "source": "/shop?a=b&c=%20",
    "type": "order.placed",
    "subject": "Grüße 🚀",
    "time": datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
    "dataschema": "https://example.com/schema#1",
    "partitionkey": "customer-1",
    "region": "Zürich, 8001",
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
}
STAMPED = {"partition", "offset", "position", "received_at", "timeline"}
# Data that the SDK itself reads back as what it wrote.
DATA: dict[str, tuple[str | None, Any]] = {
    "json": ("application/json", {"number": 1, "nested": [{"é": None}, 1.5, "x"]}),
    "other json": ("application/vnd.shop.order+json", {"number": 1}),
    "text": ("text/plain; charset=utf-8", 'text "quoted"\nGrüße 🚀'),
    "bytes": ("application/octet-stream", b"\x00\xff\xfe bytes"),
    "image": ("image/png", b"\x89PNG\r\n\x1a\n"),
    "nothing": (None, None),
}


def event(content_type: str | None, data: Any, **changes: Any) -> CloudEvent:
    typed = {"datacontenttype": content_type} if content_type else {}
    return CloudEvent(ATTRIBUTES | typed | changes, data)


async def post(door: IngestDoor, path: str, message: HTTPMessage) -> httpx.Response:
    async with client_of(door.app) as client:
        return await client.post(path, content=message.body, headers=message.headers)


async def read_back(door: IngestDoor, id_: str) -> CloudEvent:
    """What `query` tells of an event that `ingest` has put into the log, as the SDK understands it."""
    query = QueryDoor()
    await query.store.store(door.log.records())
    async with client_of(query.app) as client:
        response = await client.get(f"/v1/events/{quote(id_, safe='')}")
    assert response.status_code == 200, response.text
    members = {name: value for name, value in response.json().items() if name not in STAMPED}
    found = JSON.read(CloudEvent, json.dumps(members | {"specversion": "1.0"}))
    assert isinstance(found, CloudEvent)
    return found


def assert_same(found: CloudEvent, sent: CloudEvent) -> None:
    assert found.get_attributes() == sent.get_attributes()
    assert found.get_data() == sent.get_data()


@pytest.mark.parametrize("kind", DATA)
@pytest.mark.parametrize("write", [to_structured, to_binary])
async def test_an_event_of_either_mode_is_read_back_as_it_was_sent(write: Any, kind: str) -> None:
    door, sent = IngestDoor(), event(*DATA[kind])
    response = await post(door, "/v1/events", write(sent, JSON))
    assert response.status_code == 202, response.text
    assert_same(await read_back(door, ATTRIBUTES["id"]), sent)
    assert door.events[0].partition_key == "customer-1"


async def test_a_batch_is_read_back_as_it_was_sent() -> None:
    door = IngestDoor()
    sent = [event(*each, id=f"order-{kind}") for kind, each in DATA.items()]
    body = b"[" + b",".join(JSON.write(each) for each in sent) + b"]"
    message = HTTPMessage({"content-type": "application/cloudevents-batch+json"}, body)
    response = await post(door, "/v1/events/batch", message)
    assert (response.status_code, response.json()["accepted"]) == (202, len(DATA)), response.text
    for each in sent:
        assert_same(await read_back(door, str(each.get_id())), each)


async def test_json_for_which_the_sdk_names_no_content_type_stays_json() -> None:
    door, sent = IngestDoor(), CloudEvent({"type": "t", "source": "/s", "id": "1"}, {"number": 1})
    response = await post(door, "/v1/events", to_binary(sent, JSON))
    assert response.status_code == 202, response.text
    assert_same(await read_back(door, "1"), sent)


def test_an_event_is_the_same_in_either_mode() -> None:
    sent = event("application/json", {"number": 1})
    one, other = (write(sent, JSON) for write in (to_structured, to_binary))
    assert parse_event(one.body, one.headers, now=MOMENT) == parse_event(other.body, other.headers, now=MOMENT)
