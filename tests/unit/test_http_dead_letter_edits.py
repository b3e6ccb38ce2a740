"""A dead letter is mended, its original stays, and its event is the one it was."""

import base64
import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from shared.adapters.memory.deadletters import MemoryDeadLetterStore
from shared.deadletters.letters import MOST_EDITS
from shared.deadletters.model import Change, NewLetter, Scope, State, StoredLetter
from shared.deadletters.reading import read
from shared.events.envelope import decode, encode
from shared.events.model import NO_DATA, Event, event_key
from tests.fixtures.doors import ManageDoor
from tests.fixtures.events import MOMENT, an_event
from tests.fixtures.letters import a_change, a_letter
from tests.fixtures.manage import faults, send
from tests.unit.bad_input import CANARY, PLAIN_EVENTS, Case

PATH = "/v1/dead-letters"
MENDED = {"type": "order.placed", "data": {"number": 1}}
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
WAS = an_event(
    "order-1",
    tenant="tests",
    principal="shop",
    source="/shop",
    subject="customer-7",
    partition_key="seven",
    time=MOMENT - timedelta(days=1),
    received_at=MOMENT - timedelta(hours=1),
    datacontenttype="application/json",
    dataschema="/schema",
    extensions={"sampled": True},
    traceparent=TRACE,
    waiter="waiter",
    spooled_at=MOMENT - timedelta(minutes=1),
    data="1e999",
)


@pytest.fixture
def door() -> ManageDoor:
    """One without any letters."""
    return ManageDoor()


async def hold(door: ManageDoor, value: bytes | Event | None, **changes: Any) -> str:
    """The id of a letter with `value`, which is buried as it would be."""
    held = encode(value) if isinstance(value, Event) else value
    found = read(held)
    new = NewLetter(letter=a_letter(value=held, **changes), received_at=found.received_at, **found.named)
    await door.letters.bury([new])
    return str(new.letter.id)


async def patch(
    door: ManageDoor, id_: str, event: Any = MENDED, why: str = "The number was missing.", **headers: str
) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await send(door, "PATCH", f"{PATH}/{id_}", json={"event": event, "why": why}, headers=named)


async def mended(door: ManageDoor, id_: str, event: Any = MENDED) -> Event:
    """What would be redriven after an edit."""
    response = await patch(door, id_, event)
    assert response.status_code == 200, response.text
    return decode(door.letters.letters[UUID(id_)].value)


async def test_an_edit_is_audited_and_keeps_the_original(door: ManageDoor) -> None:
    id_ = await hold(door, b"\xff junk")
    first = await patch(door, id_)
    assert first.status_code == 200
    assert first.headers["etag"] == '"1-dead"'
    second = await patch(door, id_, MENDED | {"data": 2}, "It was 2.")
    letter = (await send(door, "GET", f"{PATH}/{id_}")).json()
    assert second.json() == letter
    assert base64.b64decode(letter["original"]["value_base64"]) == b"\xff junk"
    assert (letter["value"]["data"], letter["type"]) == (2, "order.placed")
    at = MOMENT.isoformat().replace("+00:00", "Z")
    assert letter["edits"] == [
        {"at": at, "by": "development-key", "why": "The number was missing."},
        {"at": at, "by": "development-key", "why": "It was 2."},
    ]
    (found,) = (await send(door, "GET", PATH)).json()["letters"]
    assert (found["edit_count"], found["type"], found["size"]) == (2, "order.placed", letter["size"])


async def test_an_event_that_was_accepted_keeps_all_that_makes_it_the_one_it_was(door: ManageDoor) -> None:
    found = await mended(door, await hold(door, WAS))
    assert (found.type, bytes(found.data)) == ("order.placed", b'{"number":1}')
    for name in Event.__struct_fields__:
        if name not in ("type", "data", "waiter"):
            assert getattr(found, name) == getattr(WAS, name), name
    assert found.waiter is None


async def test_what_the_body_says_stands_in_the_place_of_what_was_known(door: ManageDoor) -> None:
    said = {"subject": "customer-8", "time": "2026-01-02T03:04:05Z", "key": "eight", "id": "order-1", "source": "/shop"}
    found = await mended(door, await hold(door, WAS), MENDED | said)
    assert (found.subject, found.partition_key, found.key) == ("customer-8", "eight", WAS.key)
    assert found.time is not None
    assert found.time.isoformat() == "2026-01-02T03:04:05+00:00"


@pytest.mark.parametrize(("name", "value"), [("id", CANARY), ("source", CANARY)])
async def test_an_event_that_was_accepted_does_not_become_another(door: ManageDoor, name: str, value: str) -> None:
    id_ = await hold(door, WAS)
    response = await patch(door, id_, MENDED | {name: value})
    assert faults(response, 422) == [(f"/event/{name}", "identity")]
    assert CANARY not in response.text
    assert (await send(door, "GET", f"{PATH}/{id_}")).headers["etag"] == '"0-dead"'


async def test_a_second_edit_does_not_change_the_identity_either(door: ManageDoor) -> None:
    id_ = await hold(door, WAS)
    assert (await patch(door, id_)).status_code == 200
    assert faults(await patch(door, id_, MENDED | {"id": "2"}), 422) == [("/event/id", "identity")]
    assert (await mended(door, id_)).key == WAS.key


async def test_an_id_that_cannot_be_stored_is_replaced(door: ManageDoor) -> None:
    event = an_event("a\0b", source="/shop", extensions={"good": 1, "bad": "a\0b"}, partition_key="a\0b")
    found = await mended(door, await hold(door, event), MENDED | {"id": "order-1"})
    assert (found.id, found.source, found.partition_key) == ("order-1", "/shop", "order-1")
    assert found.key == event_key("tests", "/shop", "order-1")
    assert found.extensions == {"good": 1}
    assert found.received_at == MOMENT


async def test_a_foreign_object_gives_what_it_says(door: ManageDoor) -> None:
    value = json.dumps({"id": "1", "source": "/foreign", "type": 7, "subject": "s", "tenant": "tests"}).encode()
    found = await mended(door, await hold(door, value, traceparent=TRACE))
    assert (found.id, found.source, found.subject, found.partition_key) == ("1", "/foreign", "s", "s")
    assert (found.tenant, found.principal, found.traceparent) == ("tests", "development-key", TRACE)
    assert found.key == event_key("tests", "/foreign", "1")
    other = await mended(door, await hold(door, value), MENDED | {"id": "2", "source": "/ours"})
    assert (other.id, other.source) == ("2", "/ours")


async def test_of_junk_an_event_is_made_that_is_the_same_however_often_it_is_edited(door: ManageDoor) -> None:
    id_ = await hold(door, b"junk", tenant=None, timestamp_ms=1_772_600_000_123)
    found = await mended(door, id_)
    assert (found.id, found.source, found.tenant, found.principal) == (id_, "/v1/events", "tests", "development-key")
    assert found.key == event_key("tests", "/v1/events", id_)
    assert found.received_at.isoformat() == "2026-03-04T04:53:20.123000+00:00"
    assert (await mended(door, id_)).key == found.key
    assert (await send(door, "GET", f"{PATH}/{id_}")).json()["tenant"] == "tests"


@pytest.mark.parametrize("timestamp", [-1, 0, 2**62])
async def test_a_record_of_no_time_was_received_when_it_died(door: ManageDoor, timestamp: int) -> None:
    found = await mended(door, await hold(door, b"junk", timestamp_ms=timestamp, dead_at=MOMENT))
    assert found.received_at == MOMENT


async def test_the_letter_s_tenant_is_the_event_s_whatever_its_bytes_say(door: ManageDoor) -> None:
    event = an_event("1", tenant="other")
    found = await mended(door, await hold(door, event, tenant="tests"))
    assert found.tenant == "tests"
    assert found.key == event_key("tests", event.source, "1") != event.key


async def test_data_that_was_bytes_is_json_now(door: ManageDoor) -> None:
    event = an_event(data=NO_DATA, data_base64="AAEC", datacontenttype="image/png", extensions={"partitionkey": "p"})
    found = await mended(door, await hold(door, event), MENDED | {"key": "k"})
    assert (found.datacontenttype, found.data_base64, bytes(found.data)) == (None, None, b'{"number":1}')
    assert (found.partition_key, found.extensions) == ("k", {"partitionkey": "k"})


@pytest.mark.parametrize("expected", ['"0-dead"', "*", '"7-dead", "0-dead"'])
async def test_an_edit_of_what_is_as_expected_is_applied(door: ManageDoor, expected: str) -> None:
    assert (await patch(door, await hold(door, WAS), if_match=expected)).status_code == 200


@pytest.mark.parametrize("expected", ['"1-dead"', 'W/"0-dead"', "0-dead", '"0-redriven"', ""])
async def test_an_edit_of_what_is_not_as_expected_is_not_applied(door: ManageDoor, expected: str) -> None:
    id_ = await hold(door, WAS)
    response = await patch(door, id_, if_match=expected)
    assert faults(response, 412) == []
    assert response.json()["code"] == "changed"
    assert door.letters.letters[UUID(id_)].edits == ()


class Overtaking(MemoryDeadLetterStore):
    """A store in which somebody else's edit always comes first."""

    async def edit(self, scope: Scope, id_: UUID, change: Change, *, expected: int) -> StoredLetter | None:
        await super().edit(scope, id_, a_change(), expected=expected)
        return await super().edit(scope, id_, change, expected=expected)


async def test_an_edit_that_another_one_overtakes_is_not_applied() -> None:
    door = ManageDoor(letters=Overtaking())
    id_ = await hold(door, WAS)
    response = await patch(door, id_)
    assert (response.status_code, response.json()["code"]) == (412, "changed")
    assert len(door.letters.letters[UUID(id_)].edits) == 1


@pytest.mark.parametrize("state", [State.REDRIVEN, State.DISCARDED])
async def test_a_letter_that_is_settled_is_edited_no_more(door: ManageDoor, state: State) -> None:
    id_ = await hold(door, WAS)
    await door.letters.settle(Scope("tests"), [UUID(id_)], state, job=uuid4())
    response = await patch(door, id_)
    assert (response.status_code, response.json()["code"]) == (409, "settled")
    assert (await patch(door, id_, if_match='"0-dead"')).status_code == 412


async def test_a_letter_is_not_edited_for_ever(door: ManageDoor) -> None:
    id_ = await hold(door, WAS)
    for _ in range(MOST_EDITS):
        assert (await patch(door, id_)).status_code == 200
    response = await patch(door, id_)
    assert (response.status_code, response.json()["code"]) == (409, "too_many_edits")


BODIES: list[tuple[str, bytes, int, list[tuple[str, str]]]] = [
    ("nothing", b"", 400, [("", "json")]),
    ("no JSON", b'{"why": "c4n4ry', 400, [("", "json")]),
    ("no UTF-8", b'{"why": "c4n4ry\xff"}', 400, [("", "utf8")]),
    ("a list", b'["c4n4ry"]', 422, [("", "type")]),
    ("no event", b'{"why": "c4n4ry"}', 422, [("/event", "required")]),
    ("no reason", b'{"event": {"type": "c4n4ry", "data": 1}}', 422, [("/why", "required")]),
    ("an empty reason", b'{"event": {"type": "c4n4ry", "data": 1}, "why": ""}', 422, [("/why", "length")]),
    ("a number as reason", b'{"event": {"type": "c4n4ry", "data": 1}, "why": 7}', 422, [("/why", "type")]),
    ("a NUL", b'{"event": {"type": "t", "data": 1}, "why": "c4n4ry\\u0000"}', 422, [("/why", "nul")]),
    (
        "a long reason",
        b'{"event": {"type": "t", "data": 1}, "why": "' + b"c4n4ry" * 200 + b'"}',
        422,
        [("/why", "length")],
    ),
    (
        "a state",
        b'{"event": {"type": "t", "data": 1}, "why": "w", "state": "c4n4ry"}',
        422,
        [("/state", "unknown_field")],
    ),
    ("two reasons", b'{"event": {"type": "t", "data": 1}, "why": "w", "why": "c4n4ry"}', 422, [("/why", "repeated")]),
    ("an event that is none", b'{"event": "c4n4ry", "why": "w"}', 422, [("/event", "type")]),
    (
        "a large event",
        b'{"event": {"type": "t", "data": "' + b"c4n4ry" * 50_000 + b'"}, "why": "w"}',
        413,
        [("/event", "event_too_large")],
    ),
    (
        "two faults",
        b'{"event": {"type": "t\\n", "data": 1, "id": ".."}, "why": "w\\u0000"}',
        422,
        [("/why", "nul"), ("/event/id", "id"), ("/event/type", "characters")],
    ),
]


async def is_refused(door: ManageDoor, body: bytes, status: int, expected: list[tuple[str, str]]) -> None:
    id_ = await hold(door, WAS)
    response = await send(door, "PATCH", f"{PATH}/{id_}", content=body)
    assert faults(response, status) == expected
    assert CANARY not in response.text
    assert door.letters.letters[UUID(id_)].edits == ()


@pytest.mark.parametrize(
    ("body", "status", "expected"), [each[1:] for each in BODIES], ids=[each[0] for each in BODIES]
)
async def test_a_bad_body_is_refused_with_its_place(
    door: ManageDoor, body: bytes, status: int, expected: list[tuple[str, str]]
) -> None:
    await is_refused(door, body, status, expected)


# What has JSON's form at least, so that it can stand within a body.
EVENTS = [
    case for case in PLAIN_EVENTS if case.status != 400 and case.body.strip() and case.name != "deep and never closed"
]


@pytest.mark.parametrize("case", EVENTS, ids=[case.name for case in EVENTS])
async def test_what_is_no_event_for_ingest_is_none_here(door: ManageDoor, case: Case) -> None:
    expected = [
        (f"/event{pointer}" if code != "nesting" or pointer else pointer, code) for pointer, code in case.faults
    ]
    await is_refused(door, b'{"why": "w", "event": ' + case.body + b"}", case.status, expected)


async def test_nothing_is_written_where_the_store_is_away(door: ManageDoor) -> None:
    id_ = await hold(door, WAS)
    door.letters.away = True
    assert (await patch(door, id_)).status_code == 503
