"""What EventStore promises, kept by the store in memory and by PostgreSQL."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from shared.adapters.memory.events import MemoryEventStore
from shared.adapters.postgres.engine import Writer
from shared.adapters.postgres.store import PostgresEventStore
from shared.events.model import Outcome
from shared.events.ports import EventStore, Refused
from shared.kit.errors import Unavailable
from tests.fixtures.events import MOMENT, a_record, an_event

_NOBODY = "postgresql://millrace:nothing@127.0.0.1:1/millrace"  # a port that nothing listens on


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.parts)])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[EventStore]:
    """The port over something that answers."""
    if request.param == "memory":
        yield MemoryEventStore()
        return
    writer = Writer(request.getfixturevalue("database").writer, application_name="contract")
    yield PostgresEventStore(writer)
    await writer.close()


@pytest.fixture(params=["memory", "postgres"])
async def absent(request: pytest.FixtureRequest) -> AsyncIterator[EventStore]:
    """The port over nothing."""
    if request.param == "memory":
        memory = MemoryEventStore()
        memory.away = True
        yield memory
        return
    writer = Writer(_NOBODY, application_name="contract")
    yield PostgresEventStore(writer)
    await writer.close()


async def test_a_batch_is_answered_for_each_record_in_the_order_given(store: EventStore) -> None:
    known = a_record()
    await store.store([known])
    outcomes = await store.store([a_record(), known, a_record()])
    assert outcomes == [Outcome.STORED, Outcome.DUPLICATE, Outcome.STORED]


async def test_a_batch_stored_again_changes_nothing(store: EventStore) -> None:
    records = [a_record(offset=number) for number in range(10)]
    assert await store.store(records) == [Outcome.STORED] * 10
    assert await store.store(records) == [Outcome.DUPLICATE] * 10


async def test_an_event_that_stands_twice_in_a_batch_is_stored_once(store: EventStore) -> None:
    event = an_event()
    records = [a_record(event, offset=1), a_record(offset=2), a_record(event, offset=3)]
    assert await store.store(records) == [Outcome.STORED, Outcome.STORED, Outcome.DUPLICATE]


async def test_an_event_at_another_place_of_the_log_is_the_same_event(store: EventStore) -> None:
    event = an_event()
    await store.store([a_record(event, partition=1, offset=1)])
    assert await store.store([a_record(event, partition=2, offset=9)]) == [Outcome.DUPLICATE]


async def test_one_id_of_two_tenants_or_sources_is_two_events(store: EventStore) -> None:
    id_ = an_event().id
    events = [an_event(id_), an_event(id_, source="/other"), an_event(id_, tenant="other")]
    assert await store.store([a_record(event) for event in events]) == [Outcome.STORED] * 3


async def test_one_event_sent_on_two_days_is_two_rows(store: EventStore) -> None:
    id_ = an_event().id
    days = [an_event(id_), an_event(id_, received_at=MOMENT + timedelta(days=1))]
    assert await store.store([a_record(event) for event in days]) == [Outcome.STORED] * 2


async def test_what_storage_refuses_is_named_and_nothing_is_stored(store: EventStore) -> None:
    records = [a_record(offset=0), a_record(an_event("a\0b"), offset=1), a_record(an_event(subject="\0"), offset=2)]
    found = await store.store(records)
    assert isinstance(found, Refused)
    assert list(found.reasons) == [1, 2]
    assert found.searched == 3
    assert not any("a\0b" in reason for reason in found.reasons.values())
    assert await store.store(records[:1]) == [Outcome.STORED]


async def test_what_would_be_refused_can_be_asked_without_storing_anything(store: EventStore) -> None:
    records = [a_record(offset=0), a_record(an_event("a\0b"), offset=1)]
    assert list(await store.examine(records)) == [1]
    assert await store.examine(records[:1]) == {}
    assert await store.examine([]) == {}
    assert await store.store(records[:1]) == [Outcome.STORED]


async def test_no_records_have_no_outcomes(store: EventStore) -> None:
    assert await store.store([]) == []


async def test_where_storage_is_away_every_record_is_unavailable(absent: EventStore) -> None:
    assert await absent.store([a_record(), a_record()]) == [Outcome.UNAVAILABLE] * 2
    assert await absent.store([]) == []
    with pytest.raises(Unavailable):
        await absent.examine([a_record()])
