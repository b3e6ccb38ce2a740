"""A batch of records is stored, with an outcome for each."""

from shared.adapters.memory.admission import MemoryWaiters
from shared.adapters.memory.events import MemoryEventStore
from shared.events.envelope import encode
from shared.events.model import Event, Outcome, Position, RawRecord
from shared.events.persist import Persist
from shared.events.ports import EventFilter
from tests.fixtures.events import an_event


def raw(value: Event | bytes | None, offset: int = 0, partition: int = 0) -> RawRecord:
    return RawRecord("events", partition, offset, encode(value) if isinstance(value, Event) else value)


async def persisted(*records: RawRecord) -> list[Outcome]:
    return await Persist(MemoryEventStore(), MemoryWaiters())(records)


async def test_outcomes_stand_in_the_order_of_their_records() -> None:
    event = an_event()
    records = [raw(b"junk"), raw(event, 1), raw(None, 2), raw(an_event(), 3), raw(event, 4), raw(b"{}", 5)]
    assert await Persist(MemoryEventStore(), MemoryWaiters())(records) == [
        Outcome.INVALID,
        Outcome.STORED,
        Outcome.INVALID,
        Outcome.STORED,
        Outcome.DUPLICATE,
        Outcome.INVALID,
    ]


async def test_bytes_that_are_not_utf8_do_not_keep_their_neighbours_from_being_stored() -> None:
    broken = encode(an_event(data='"here"')).replace(b"here", b"\xff")
    assert await Persist(MemoryEventStore(), MemoryWaiters())([raw(broken), raw(an_event(), 1)]) == [
        Outcome.INVALID,
        Outcome.STORED,
    ]


async def test_an_event_is_stored_with_its_place_in_the_log() -> None:
    store = MemoryEventStore()
    await Persist(store, MemoryWaiters())([raw(an_event(), offset=17, partition=3)])
    (stored,) = await store.page("tests", EventFilter(), after=None, limit=10, descending=True)
    assert stored.position == Position(3, 17)


async def test_a_batch_again_is_all_duplicates() -> None:
    persist = Persist(MemoryEventStore(), MemoryWaiters())
    records = [raw(an_event(), number) for number in range(3)]
    assert await persist(records) == [Outcome.STORED] * 3
    assert await persist(records) == [Outcome.DUPLICATE] * 3


async def test_where_storage_is_away_only_the_unreadable_are_invalid() -> None:
    store = MemoryEventStore()
    store.away = True
    assert await Persist(store, MemoryWaiters())([raw(an_event()), raw(None, 1)]) == [
        Outcome.UNAVAILABLE,
        Outcome.INVALID,
    ]


async def test_an_empty_batch_has_no_outcomes() -> None:
    assert await Persist(MemoryEventStore(), MemoryWaiters())([]) == []


async def test_those_who_wait_are_told_of_what_is_stored_and_of_what_was() -> None:
    waiters = MemoryWaiters()
    awaited, other = an_event(waiter="w"), an_event()
    persist = Persist(MemoryEventStore(), waiters)
    await persist([raw(awaited), raw(other, 1), raw(None, 2)])
    assert waiters.told == {"w": {awaited.key}}
    waiters.told.clear()
    await persist([raw(awaited)])
    assert waiters.told == {"w": {awaited.key}}


async def test_nobody_is_told_while_storage_is_away() -> None:
    store, waiters = MemoryEventStore(), MemoryWaiters()
    store.away = True
    await Persist(store, waiters)([raw(an_event(waiter="w"))])
    assert waiters.told == {}
