"""Where rows were stored from, as Rows promises it, kept in memory and by PostgreSQL."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from shared.adapters.memory.events import MemoryEventStore
from shared.adapters.memory.reading import MemoryRows
from shared.adapters.postgres.engine import Writer
from shared.adapters.postgres.present import PostgresRows
from shared.adapters.postgres.store import PostgresEventStore
from shared.events.model import Position
from shared.events.ports import EventStore
from shared.jobs.ports import Rows
from tests.fixtures.events import MOMENT, a_record, an_event


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.parts)])
async def both(request: pytest.FixtureRequest) -> AsyncIterator[tuple[EventStore, Rows]]:
    if request.param == "memory":
        store = MemoryEventStore()
        yield store, MemoryRows(store)
        return
    writer = Writer(request.getfixturevalue("database").writer, application_name="contract")
    yield PostgresEventStore(writer), PostgresRows(writer)
    await writer.close()


async def test_a_row_tells_the_place_that_it_was_stored_from_first(both: tuple[EventStore, Rows]) -> None:
    store, rows = both
    there, absent = an_event(), an_event()
    another_day = an_event(there.id, received_at=MOMENT + timedelta(days=1))
    await store.store([a_record(there, partition=3, offset=5)])
    await store.store([a_record(there, partition=3, offset=6), a_record(another_day, partition=4, offset=7)])
    assert await rows.places([there, absent, another_day]) == {
        (there.received_day, there.key): Position(3, 5),
        (another_day.received_day, there.key): Position(4, 7),
    }
    assert await rows.places([]) == {}
