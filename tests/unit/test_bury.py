"""Every record of the topic of dead letters becomes a letter, whatever it holds."""

import json
from datetime import timedelta
from typing import Any

import pytest

from shared.adapters.memory.deadletters import MemoryDeadLetterStore
from shared.deadletters.bury import NOT_A_LETTER, Bury
from shared.deadletters.model import StoredLetter
from shared.deadletters.reading import read
from shared.events import envelope
from shared.events.dead import DeadLetter, encode
from shared.events.model import Outcome, RawRecord
from shared.events.topics import DEAD_EVENTS
from shared.kit.clock import FixedClock
from tests.fixtures.events import MOMENT, an_event
from tests.fixtures.letters import a_letter

NOW = MOMENT + timedelta(days=1)
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def raw(value: DeadLetter | bytes | None, offset: int = 0, partition: int = 0) -> RawRecord:
    encoded = encode(value) if isinstance(value, DeadLetter) else value
    return RawRecord(DEAD_EVENTS.name, partition, offset, encoded, b"key", 1_772_600_767_000)


@pytest.fixture
def store() -> MemoryDeadLetterStore:
    return MemoryDeadLetterStore()


async def buried(store: MemoryDeadLetterStore, *records: RawRecord) -> list[Outcome]:
    return await Bury(store, FixedClock(NOW))(records)


async def letter_of(store: MemoryDeadLetterStore, value: DeadLetter | bytes | None) -> StoredLetter:
    """What is kept of a record with `value`."""
    assert await buried(store, raw(value)) == [Outcome.STORED]
    (stored,) = store.letters.values()
    return stored


async def test_outcomes_stand_in_the_order_of_their_records(store: MemoryDeadLetterStore) -> None:
    letter = a_letter()
    records = [raw(b"junk", 0), raw(letter, 1), raw(None, 2), raw(letter, 3), raw(a_letter(), 4)]
    assert await buried(store, *records) == [
        Outcome.STORED,
        Outcome.STORED,
        Outcome.STORED,
        Outcome.DUPLICATE,
        Outcome.STORED,
    ]
    assert await buried(store, *records) == [Outcome.DUPLICATE] * 5
    assert len(store.letters) == 4


async def test_a_letter_is_kept_as_it_was_written_with_what_its_event_says(store: MemoryDeadLetterStore) -> None:
    event = an_event("1", tenant="shop", type="order.placed", subject="s", traceparent=TRACE)
    letter = a_letter(value=envelope.encode(event), tenant="shop", traceparent=TRACE, key=bytes(range(256)))
    stored = await letter_of(store, letter)
    assert stored.letter == letter
    assert (stored.event_id, stored.source, stored.type, stored.subject) == ("1", "/tests", "order.placed", "s")
    assert store.received == {stored.letter.id: event.received_at}


async def test_whose_a_letter_is_and_its_trace_are_read_where_nobody_has_done_that(
    store: MemoryDeadLetterStore,
) -> None:
    event = an_event(tenant="shop", traceparent=TRACE)
    stored = await letter_of(store, a_letter(value=envelope.encode(event), tenant=None))
    assert (stored.letter.tenant, stored.letter.traceparent) == ("shop", TRACE)


@pytest.mark.parametrize("value", [b"junk", b"[1]", b"\xff\x00", b"", None, b'"text"', b"7", b"[" * 200_000])
async def test_a_value_in_which_nothing_can_be_read_is_kept_byte_for_byte(
    store: MemoryDeadLetterStore, value: bytes | None
) -> None:
    stored = await letter_of(store, a_letter(value=value, tenant=None))
    assert stored.letter.value == value
    assert (stored.letter.tenant, stored.event_id, stored.source, stored.type, stored.subject) == (None,) * 5


NOT_LETTERS: list[bytes | None] = [
    b"junk",
    None,
    b"",
    b"\xff\xfe\x00",
    b"{}",
    b"null",
    b"[" * 100_000,
    encode(a_letter())[:-1],
    envelope.encode(an_event()),
    *[
        json.dumps(json.loads(encode(a_letter())) | {name: value}).encode()
        for name, value in (
            ("topic", "a\0b"),
            ("topic", "t" * 256),
            ("partition", 2**31),
            ("partition", -1),
            ("offset", 2**63),
            ("timestamp_ms", 2**63),
            ("attempts", 2**31),
            ("code", "\0"),
            ("reason", "a\0b"),
            ("reason", "a" * 2001),
            ("dead_at", "0001-01-01T00:00:00Z"),
            ("dead_at", "9999-12-31T23:59:59Z"),
            ("dead_at", "2026-01-02T03:04:05"),
            ("value", "no base64!"),
        )
    ],
]


@pytest.mark.parametrize("value", NOT_LETTERS)
async def test_a_record_that_is_no_letter_is_kept_as_one(store: MemoryDeadLetterStore, value: bytes | None) -> None:
    records = [raw(a_letter(), 1, 5), raw(value, 2, 5), raw(a_letter(), 3, 5)]
    assert await buried(store, *records) == [Outcome.STORED] * 3
    stored = list(store.letters.values())[1]
    assert stored.letter.code == NOT_A_LETTER
    assert (stored.letter.topic, stored.letter.partition, stored.letter.offset) == (DEAD_EVENTS.name, 5, 2)
    assert (stored.letter.key, stored.letter.value) == (b"key", value)
    assert (stored.letter.timestamp_ms, stored.letter.dead_at) == (1_772_600_767_000, NOW)
    assert await buried(store, *records) == [Outcome.DUPLICATE] * 3


async def test_a_letter_that_the_store_refuses_is_kept_as_it_is_and_its_partition_goes_on(
    store: MemoryDeadLetterStore,
) -> None:
    letter, neighbour = a_letter(), a_letter()
    store.refused.add(letter.id)
    assert await buried(store, raw(letter, 7), raw(neighbour, 8)) == [Outcome.STORED] * 2
    kept = next(each.letter for each in store.letters.values() if each.letter.code == NOT_A_LETTER)
    assert (kept.topic, kept.offset, kept.value) == (DEAD_EVENTS.name, 7, encode(letter))
    assert await buried(store, raw(letter, 7)) == [Outcome.DUPLICATE]


async def test_what_the_store_refuses_even_so_is_not_done_with(store: MemoryDeadLetterStore) -> None:
    at_hand = raw(b"junk", 7)
    store.refused.add(a_letter(topic=DEAD_EVENTS.name, partition=0, offset=7).id)
    assert await buried(store, at_hand, raw(a_letter(), 8)) == [Outcome.UNAVAILABLE, Outcome.STORED]


async def test_where_the_store_is_away_nothing_is_done(store: MemoryDeadLetterStore) -> None:
    store.away = True
    assert await buried(store, raw(a_letter()), raw(b"junk", 1)) == [Outcome.UNAVAILABLE] * 2
    store.away = False
    assert store.letters == {}


async def test_a_store_that_goes_away_between_the_two_attempts_leaves_the_refused_undone() -> None:
    class Leaving(MemoryDeadLetterStore):
        async def bury(self, letters: Any) -> list[Outcome]:
            outcomes = await super().bury(letters)
            self.away = True
            return outcomes

    store, letter = Leaving(), a_letter()
    store.refused.add(letter.id)
    assert await buried(store, raw(letter, 7), raw(a_letter(), 8)) == [Outcome.UNAVAILABLE, Outcome.STORED]


async def test_an_empty_batch_has_no_outcomes(store: MemoryDeadLetterStore) -> None:
    assert await buried(store) == []


UNSTORABLE = ["a\0b", "", "x" * 1025, 7, None, ["a"], {"a": 1}]


@pytest.mark.parametrize("odd", UNSTORABLE)
@pytest.mark.parametrize("name", ["tenant", "id", "source", "type", "subject"])
def test_a_member_that_cannot_be_a_column_takes_no_other_with_it(name: str, odd: Any) -> None:
    whole = {"tenant": "t", "id": "1", "source": "/s", "type": "y", "subject": "u", "data": "a\0b"}
    found = read(json.dumps(whole | {name: odd}).encode())
    expected = {key: value for key, value in (whole | {name: None}).items() if key != "data"}
    assert {key: getattr(found, key) for key in expected} == expected


def test_bytes_that_are_not_utf8_in_one_member_leave_the_others() -> None:
    found = read(b'{"id": "1", "type": "\xff", "data": "\xff", "source": "/s"}')
    assert (found.id, found.source, found.type) == ("1", "/s", None)


def test_an_extension_that_cannot_be_stored_takes_no_other_with_it() -> None:
    extensions = {"good": "g", "nul": "a\0b", "a\0b": 1, "list": [1], "yes": True, "number": -1, "float": 1.5}
    found = read(json.dumps({"extensions": extensions}).encode())
    assert found.storable_extensions == {"good": "g", "yes": True, "number": -1}
    assert read(b'{"extensions": 7}').storable_extensions == {}


@pytest.mark.parametrize("tenant", ["a\0b", "", "x" * 256])
async def test_a_tenant_that_nobody_can_have_is_none(store: MemoryDeadLetterStore, tenant: str) -> None:
    value = envelope.encode(an_event(tenant=tenant))
    stored = await letter_of(store, a_letter(value=value, tenant=tenant, traceparent="a\0b"))
    assert (stored.letter.tenant, stored.letter.traceparent) == (None, None)
    assert stored.letter.value == value
