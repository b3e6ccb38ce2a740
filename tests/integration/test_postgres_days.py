"""Partitions under load: what writers and readers see while a day's own is made, moved into and given up."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from millrace_harness.parts.endpoints import Endpoints
from shared.adapters.postgres.engine import Reader, Writer
from shared.adapters.postgres.reader import PostgresEventReader
from shared.adapters.postgres.store import PostgresEventStore
from shared.events.days import TypeOf
from shared.events.model import LogRecord, Outcome
from shared.events.ports import EventFilter
from shared.events.upkeep import Upkeep
from shared.kit.clock import FixedClock
from shared.kit.deadline import Deadline
from shared.kit.errors import Unavailable
from tests.fixtures.days import InPostgres
from tests.fixtures.events import MOMENT, a_record, an_event
from tests.fixtures.parts import fresh_database

TODAY = MOMENT.date()
FAR = MOMENT + timedelta(days=40)
KIND = TypeOf("tests", "test.made")
BATCH = 20
READERS, WRITERS = 2, 2
PAGE = 100_000

pytestmark = pytest.mark.parts


@pytest.fixture
async def storage(endpoints: Endpoints) -> AsyncIterator[InPostgres]:
    """Storage of a database of its own, with partitions around today."""
    with fresh_database(endpoints, migrated=TODAY) as database:
        made = InPostgres(database)
        yield made
        await made.writer.close()


def records(count: int = BATCH) -> list[LogRecord]:
    return [a_record(an_event(received_at=FAR)) for _ in range(count)]


@asynccontextmanager
async def beside(*works: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Each of `works` goes on again and again beside the block, at least once after it, and none may fail."""
    over = asyncio.Event()

    async def go_on(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        last = False
        while not last:
            last = over.is_set()
            await work()

    tasks = [asyncio.create_task(go_on(work)) for work in works]
    try:
        yield
    finally:
        over.set()
        await asyncio.gather(*tasks)


class Sender:
    """Stores batches of a day that has no partition, with a connection of its own."""

    def __init__(self, storage: InPostgres, stored: set[str]) -> None:
        self.writer = Writer(storage.database.writer, application_name="tests")
        self._store = PostgresEventStore(self.writer)
        self._stored = stored

    async def __call__(self) -> None:
        batch = records()
        outcomes = await self._store.store(batch)
        assert outcomes == [Outcome.STORED] * BATCH
        self._stored.update(record.event.id for record in batch)
        await asyncio.sleep(0.01)  # so that there is something to read and to move, and not ever more


class Watcher:
    """Reads all that a tenant has, as `query` does, and misses nothing that was stored before it began to read."""

    def __init__(self, url: str, stored: set[str]) -> None:
        self.reader = Reader(url, application_name="tests")
        self._asked = PostgresEventReader(self.reader)
        self._stored = stored
        self.looked = 0

    async def __call__(self) -> None:
        expected = set(self._stored)
        # In one statement: nothing but the partitions can make it miss a row or see one twice.
        page = await self._asked.page("tests", EventFilter(), after=None, limit=PAGE, descending=False)
        found = [row.event.id for row in page]
        assert len(found) == len(set(found))
        assert expected <= set(found)
        self.looked += 1


async def test_a_missing_partition_loses_nothing_while_its_events_are_moved_under_load(storage: InPostgres) -> None:
    stored: set[str] = set()
    senders = [Sender(storage, stored) for _ in range(WRITERS)]
    watchers = [Watcher(storage.database.writer, stored) for _ in range(READERS)]
    for sender in senders:
        await sender()
    upkeep = Upkeep(storage.opened, FixedClock(MOMENT))
    async with beside(*senders, *watchers):
        for _ in range(3):
            # Each time as if nobody had made it: what is in the partition goes back to the default one.
            await back_to_default(storage)
            done = await upkeep(Deadline(60))
            assert done.moved >= WRITERS * BATCH
            assert done.strays >= WRITERS * BATCH
    await upkeep(Deadline(60))
    async with storage.connected() as connection:
        rows = [row["id"] for row in await connection.fetch(f"SELECT id FROM events_{FAR:%Y%m%d}")]
        assert await connection.fetchval("SELECT count(*) FROM events_default") == 0
    assert sorted(rows) == sorted(stored)
    assert min(watcher.looked for watcher in watchers) > 1
    for sender in senders:
        await sender.writer.close()
    for watcher in watchers:
        await watcher.reader.close()


async def back_to_default(storage: InPostgres) -> None:
    """Take a partition away and put its rows into the default one, with nobody looking."""
    name = f"events_{FAR:%Y%m%d}"
    async with storage.connected() as connection, connection.transaction():
        await connection.execute("LOCK TABLE ONLY events IN ACCESS EXCLUSIVE MODE")
        # One that a killed run has left is no partition yet, and its events are in the default one still.
        if await connection.fetchval("SELECT relispartition FROM pg_class WHERE oid = to_regclass($1)", name):
            await connection.execute(f"ALTER TABLE events DETACH PARTITION {name}")
            await connection.execute(f"INSERT INTO events SELECT * FROM {name}; DROP TABLE {name}")


async def test_a_replica_s_readers_miss_nothing_and_fail_at_nothing_while_days_come_and_go(storage: InPostgres) -> None:
    stored: set[str] = set()
    await storage.put(TODAY, KIND)
    (kept,) = [row.event.id for row in await everything(storage.database.writer)]
    stored.add(kept)
    await storage.database.replicated()
    watchers = [Watcher(storage.database.reader, stored) for _ in range(READERS)]
    async with beside(*watchers), storage.opened() as days:
        for distance in range(100, 112):
            day = TODAY + timedelta(days=distance)
            await storage.put(day, KIND, 3)
            assert await days.make(day) == 3
            assert await days.give_up(day, day + timedelta(days=31))
    await storage.database.replicated()
    assert [row.event.id for row in await everything(storage.database.reader)] == [kept]
    assert min(watcher.looked for watcher in watchers) > 1
    for watcher in watchers:
        await watcher.reader.close()


async def everything(url: str) -> list[Any]:
    reader = Reader(url, application_name="tests")
    found = await PostgresEventReader(reader).page("tests", EventFilter(), after=None, limit=PAGE, descending=False)
    await reader.close()
    return list(found)


async def test_a_table_that_is_held_is_left_alone_and_who_stores_is_kept_only_as_long(storage: InPostgres) -> None:
    await storage.put(FAR.date(), KIND)
    async with storage.connected() as holder, holder.transaction():
        await holder.execute("SELECT 1 FROM events_default LIMIT 1")  # a reader that takes its time
        async with storage.opened() as days:
            with pytest.raises(Unavailable, match="locked"):
                await days.make(FAR.date())
            assert await days.strays() == {FAR.date(): 1}
            assert await storage.store.store(records(1)) == [Outcome.STORED]
            with pytest.raises(Unavailable, match="locked"):
                await days.give_up(TODAY, TODAY + timedelta(days=90))
            assert TODAY in await days.days()
        done = await Upkeep(storage.opened, FixedClock(FAR))(Deadline(60))
        assert done.locked
    assert (await Upkeep(storage.opened, FixedClock(FAR))(Deadline(60))).moved == 2


async def test_an_event_that_comes_to_an_old_day_at_the_last_moment_keeps_its_day(storage: InPostgres) -> None:
    await storage.put(TODAY, TypeOf("tests", "over"))
    needed, last = a_record(an_event(type="needed")), TODAY + timedelta(days=10)
    await storage.keep(TypeOf("tests", "over"), 1)
    await storage.keep(TypeOf("tests", "needed"), 60)
    async with storage.connected() as holder, storage.opened() as days:
        transaction = holder.transaction()
        await transaction.start()
        # Not committed when the day is looked at, and committed when its lock is given.
        await holder.execute("LOCK TABLE events IN ROW EXCLUSIVE MODE")
        giving_up = asyncio.create_task(days.give_up(TODAY, last))
        async with asyncio.timeout(20):
            while not await waiting(storage):
                await asyncio.sleep(0.02)
        await insert_into(holder, needed)
        await transaction.commit()
        assert not await giving_up
    assert needed.event.id in {row.event.id for row in await everything(storage.database.writer)}


async def waiting(storage: InPostgres) -> bool:
    async with storage.connected() as connection:
        sql = "SELECT 1 FROM pg_locks WHERE relation = 'events'::regclass AND NOT granted"
        return await connection.fetchval(sql) is not None


async def insert_into(connection: asyncpg.Connection, record: LogRecord) -> None:
    event = record.event
    await connection.execute(
        """
        INSERT INTO events (received_day, key, tenant, principal, id, source, type, partition_key, received_at,
                            extensions, "partition", "offset")
        VALUES ($1, $2, $3, '', $4, '', $5, '', $6, '{}', 0, 0)
        """,
        *(event.received_day, event.key, event.tenant, event.id, event.type, event.received_at),
    )


async def test_a_run_that_is_killed_anywhere_leaves_every_event_where_it_can_be_read(storage: InPostgres) -> None:
    stored: set[str] = set()
    sender = Sender(storage, stored)
    await sender()
    upkeep = Upkeep(storage.opened, FixedClock(FAR))
    killed = 0
    for steps in range(0, 60, 4):
        await back_to_default(storage)
        killer = asyncio.create_task(kill_after(storage, steps / 1000))
        run = asyncio.create_task(upkeep(Deadline(60)))
        await asyncio.wait([run])
        await killer
        killed += run.exception() is not None
        assert {row.event.id for row in await everything(storage.database.writer)} == stored
    assert killed, "every run came to its end, so nothing is proven"
    assert (await upkeep(Deadline(60))).finished
    assert {row.event.id for row in await everything(storage.database.writer)} == stored
    await sender.writer.close()


async def kill_after(storage: InPostgres, seconds: float) -> None:
    """End the connections of a run, wherever it is by then."""
    await asyncio.sleep(seconds)
    await storage.execute("""
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'tests' AND pid <> pg_backend_pid()
    """)


async def half_made(storage: InPostgres, *, columns: str = "") -> None:
    """What a run leaves that is killed between its copies and its last step."""
    name = f"making_{FAR:%Y%m%d}"
    await storage.execute(
        f"CREATE TABLE {name} (LIKE events INCLUDING ALL); INSERT INTO {name} SELECT * FROM events_default"
    )
    if columns:
        await storage.execute(f"ALTER TABLE {name} {columns}")


async def test_what_a_killed_run_has_copied_is_what_it_still_is_when_the_next_one_attaches_it(
    storage: InPostgres,
) -> None:
    batch = records(5)
    await storage.store.store(batch)
    await half_made(storage)
    gone, changed, *_ = (record.event.id for record in batch)
    await storage.execute(f"DELETE FROM events WHERE id = '{gone}'")
    await storage.execute(f"UPDATE events SET subject = 'changed' WHERE id = '{changed}'")
    late = records(5)
    await storage.store.store(late)
    done = await Upkeep(storage.opened, FixedClock(MOMENT))(Deadline(60))
    assert (done.moved, done.strays) == (9, 9)
    rows = {row.event.id: row.event.subject for row in await everything(storage.database.writer)}
    assert rows.keys() == {record.event.id for record in batch + late} - {gone}
    assert [id_ for id_, subject in rows.items() if subject] == [changed]


async def test_no_copy_stays_of_events_that_were_removed_meanwhile(storage: InPostgres) -> None:
    await storage.put(FAR.date(), KIND, 3)
    await half_made(storage)
    await storage.execute("DELETE FROM events")
    done = await Upkeep(storage.opened, FixedClock(MOMENT))(Deadline(60))
    assert (done.strays, done.moved) == (0, 0)
    async with storage.connected() as connection:
        assert await connection.fetchval(f"SELECT count(*) FROM events_{FAR:%Y%m%d}") == 0


async def test_a_half_made_partition_of_an_older_schema_is_made_again(storage: InPostgres) -> None:
    await storage.put(FAR.date(), KIND, 3)
    await half_made(storage, columns="DROP COLUMN redriven_at")
    before = await storage.rows()
    assert (await Upkeep(storage.opened, FixedClock(MOMENT))(Deadline(60))).moved == 3
    assert await storage.rows() == before
