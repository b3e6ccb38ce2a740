"""What is produced to the topic of dead letters is seen through the API, and can be mended there."""

import base64
import os
import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
from confluent_kafka import Message, Producer

from shared.events.dead import DeadLetter, encode
from shared.events.envelope import encode as envelope
from shared.events.topics import DEAD_EVENTS, EVENTS
from tests.fixtures.events import an_event

PATH = "/v1/dead-letters"
MENDED = {"type": "order.placed", "data": {"number": 1}}
_BURIED_SECONDS = 60.0  # a bound, not an expectation: a consumer group that forms, and a cold environment
_PAUSE_SECONDS = 0.1


def a_letter(value: bytes, **changes: Any) -> DeadLetter:
    """A letter of the demo tenant for a record that nobody else has."""
    fields: dict[str, Any] = {
        "topic": EVENTS.name,
        "partition": 3,
        "offset": uuid4().int >> 66,
        "timestamp_ms": 1_772_600_767_089,
        "code": "refused_by_storage",
        "reason": "Storage refuses the event.",
        "attempts": 1,
        "tenant": "demo",
        "value": value,
        "dead_at": datetime.now(UTC),
    }
    return DeadLetter(**fields | changes)


def produce(*values: bytes | None, partition: int = 0) -> list[int]:
    """Write records to the topic of dead letters; their offsets."""
    producer = Producer({"bootstrap.servers": os.environ["KAFKA_BOOTSTRAP"], "acks": "all"})
    offsets: list[int] = []

    def written(error: object, message: Message) -> None:
        assert error is None, error
        offset = message.offset()
        assert offset is not None
        offsets.append(offset)

    for value in values:
        producer.produce(DEAD_EVENTS.name, value, key=b"key", partition=partition, on_delivery=written)
    assert producer.flush(30) == 0
    return offsets


def seen(api: httpx.Client, id_: UUID) -> dict[str, Any]:
    """The letter as the API tells it, as soon as it does."""
    deadline = time.monotonic() + _BURIED_SECONDS
    while (response := api.get(f"{PATH}/{id_}")).status_code == 404:
        assert time.monotonic() < deadline, f"{id_} is not buried"
        time.sleep(_PAUSE_SECONDS)
    response.raise_for_status()
    letter: dict[str, Any] = response.json()
    return letter


def letters_of(api: httpx.Client, id_: str) -> list[str]:
    """The dead letters that the API names for an event, as soon as the replica knows of them."""
    deadline = time.monotonic() + _BURIED_SECONDS
    while (answer := api.get(f"/v1/events/{id_}").json())["code"] == "not_found":
        assert time.monotonic() < deadline, f"{id_} is not known to be dead"
        time.sleep(_PAUSE_SECONDS)
    assert answer["code"] == "dead_lettered"
    return [str(each) for each in answer["dead_letters"]]


def test_a_poison_event_is_seen_and_mended_and_its_original_stays(api: httpx.Client) -> None:
    event = an_event(str(uuid4()), tenant="demo", type=f"t-{uuid4()}", data=r'"\u0000"')
    letter = a_letter(envelope(event))
    produce(encode(letter))
    found = seen(api, letter.id)
    assert (found["state"], found["code"], found["event_id"]) == ("dead", "refused_by_storage", event.id)
    assert found["value"]["data"] == "\0"
    assert letters_of(api, event.id) == [str(letter.id)]
    (listed,) = api.get(PATH, params={"type": event.type, "state": "dead"}).json()["letters"]
    assert (listed["id"], listed["size"]) == (str(letter.id), len(letter.value or b""))
    edited = api.patch(f"{PATH}/{letter.id}", json={"event": MENDED, "why": "NUL"}, headers={"if-match": '"0-dead"'})
    assert edited.status_code == 200, edited.text
    after = api.get(f"{PATH}/{letter.id}").json()
    assert after == edited.json()
    assert after["original"]["value"] == found["value"]
    assert {name: after["value"][name] for name in ("type", "data", "id", "key")} == MENDED | {
        "id": event.id,
        "key": str(event.key),
    }
    assert [(edit["by"], edit["why"]) for edit in after["edits"]] == [("development-key", "NUL")]
    late = api.patch(f"{PATH}/{letter.id}", json={"event": MENDED, "why": "w"}, headers={"if-match": '"0-dead"'})
    assert (late.status_code, late.json()["code"]) == (412, "changed")


def test_what_is_no_letter_is_seen_too_and_its_partition_goes_on(api: httpx.Client) -> None:
    junk, behind = b"\xff\x00 no letter", a_letter(bytes(range(256)))
    offsets = produce(junk, None, encode(behind), partition=5)
    assert base64.b64decode(seen(api, behind.id)["value_base64"]) == bytes(range(256))
    for offset, value in zip(offsets, (junk, None), strict=False):
        own = DeadLetter(
            topic=DEAD_EVENTS.name,
            partition=5,
            offset=offset,
            timestamp_ms=0,
            code="",
            reason="",
            attempts=1,
            dead_at=datetime.now(UTC),
        )
        found = seen(api, own.id)
        assert (found["code"], found["topic"], found["partition"]) == ("not_a_letter", DEAD_EVENTS.name, 5)
        assert (found["offset"], found["tenant"]) == (offset, None)
        assert found["value_base64"] == (None if value is None else base64.b64encode(value).decode())
    orphans = api.get(PATH, params={"code": "not_a_letter", "topic": DEAD_EVENTS.name, "partition": 5}).json()[
        "letters"
    ]
    assert {each["offset"] for each in orphans} >= set(offsets[:2])


def test_a_letter_of_another_tenant_is_not_seen(api: httpx.Client) -> None:
    foreign, own = a_letter(b"x", tenant=f"other-{uuid4()}"), a_letter(b"y")
    produce(encode(foreign), encode(own), partition=6)
    seen(api, own.id)  # which lies behind the other
    assert api.get(f"{PATH}/{foreign.id}").status_code == 404
    assert api.patch(f"{PATH}/{foreign.id}", json={"event": MENDED, "why": "w"}).status_code == 404


def test_pages_joined_by_their_links_hold_every_letter_once(api: httpx.Client) -> None:
    code = f"c-{uuid4()}"
    letters = [a_letter(b"x", code=code) for _ in range(7)]
    produce(*map(encode, letters), partition=7)
    for letter in letters:
        seen(api, letter.id)
    ids: list[str] = []
    path = f"{PATH}?code={code}&limit=3"
    while path:
        page = api.get(path)
        page.raise_for_status()
        ids += [each["id"] for each in page.json()["letters"]]
        following = page.links.get("next", {}).get("url")
        path = str(page.url.join(following)) if following else ""
    assert sorted(ids) == sorted(str(letter.id) for letter in letters)
