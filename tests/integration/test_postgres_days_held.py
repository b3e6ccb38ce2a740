"""Partitions and those who hold things up: operators, autovacuum, migrations, and a run that stops in the middle."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta

import pytest

from millrace_harness.parts.endpoints import Endpoints
from shared.adapters.postgres import day_statements as statements
from shared.adapters.postgres import days as module
from shared.adapters.postgres.direct import connected
from shared.adapters.postgres.migrate import migrate
from shared.events.days import DayRefused, TypeOf
from shared.events.model import Outcome
from shared.events.upkeep import Upkeep
from shared.kit.clock import FixedClock
from shared.kit.deadline import Deadline
from shared.kit.errors import Unavailable
from tests.fixtures.days import InPostgres
from tests.fixtures.events import MOMENT, a_record, an_event
from tests.fixtures.parts import fresh_database

TODAY = MOMENT.date()
FAR = TODAY + timedelta(days=40)
KIND = TypeOf("tests", "test.made")
WAITING = "mode = 'ShareUpdateExclusiveLock' AND NOT granted"
NO_VACUUM = "reloptions = '{autovacuum_enabled=off}'"
LOCKED_OUT = """
    pg_locks JOIN pg_stat_activity USING (pid) WHERE application_name = 'frozen'
    AND datname = current_database() AND relation = 'events'::regclass AND mode = 'ShareRowExclusiveLock'
"""

pytestmark = pytest.mark.parts


@pytest.fixture
async def storage(endpoints: Endpoints) -> AsyncIterator[InPostgres]:
    """Storage of a database of its own, with partitions around today."""
    with fresh_database(endpoints, migrated=TODAY) as database:
        made = InPostgres(database)
        yield made
        await made.writer.close()


async def count(storage: InPostgres, table: str) -> int:
    async with storage.connected() as connection:
        return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))


async def test_a_day_that_an_operator_has_detached_is_left_alone_and_its_late_events_stay_readable(
    storage: InPostgres, caplog: pytest.LogCaptureFixture
) -> None:
    detached, archived = f"events_{TODAY:%Y%m%d}", "events_20250101"
    await storage.put(TODAY, KIND, 50)
    await storage.execute(f"ALTER TABLE events DETACH PARTITION {detached}")
    await storage.execute(f"CREATE TABLE {archived} AS SELECT * FROM {detached}")
    await storage.execute(f"ALTER TABLE {archived} DROP COLUMN redriven_at")
    assert await storage.store.store([a_record(an_event())]) == [Outcome.STORED]
    for later in (0, 40):
        caplog.clear()
        done = await Upkeep(storage.opened, FixedClock(MOMENT + timedelta(days=later)))(Deadline(60))
        assert [await count(storage, table) for table in (detached, archived)] == [50, 50]
        if not later:
            assert (done.days_refused, done.locked) == (1, False)
            refused = [line for line in caplog.records if line.message == "maintain.day_refused"]
            assert [vars(line)["day"] for line in refused] == [str(TODAY)]
            assert await count(storage, "events") == 1
    await migrate(storage.database.direct, today=TODAY)
    assert [await count(storage, table) for table in (detached, archived)] == [50, 50]


async def test_a_day_that_is_detached_while_a_run_looks_at_it_is_neither_dropped_nor_emptied(
    storage: InPostgres,
) -> None:
    await storage.put(TODAY, KIND, 5)
    later, name = TODAY + timedelta(days=40), f"events_{TODAY:%Y%m%d}"
    async with storage.opened() as days:
        assert TODAY in await days.days()
        await storage.execute(f"ALTER TABLE events DETACH PARTITION {name}")
        assert await days.remove(TODAY, KIND, later, limit=10) == 0
        assert not await days.give_up(TODAY, later)
    assert await count(storage, name) == 5


async def test_more_events_than_can_be_moved_quickly_stay_where_they_are(
    storage: InPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOVED", 3)
    await storage.put(FAR, KIND, 4)
    async with storage.opened() as days:
        with pytest.raises(DayRefused, match="More than 3"):
            await days.make(FAR)
        assert await days.strays() == {FAR: 4}, "and no copies are left behind"
        monkeypatch.setattr(module, "_MOVED", 4)
        assert await days.make(FAR) == 4


async def test_a_step_that_takes_too_long_ends_and_leaves_everything_as_it_was(
    storage: InPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    await storage.put(FAR, KIND, 4)
    monkeypatch.setattr(module, "_HELD_SECONDS", 0.3)
    monkeypatch.setattr(statements, "COPY_REST", "SELECT pg_sleep(20)")
    async with storage.opened() as days:
        with pytest.raises(Unavailable, match="held up"):
            await days.make(FAR)
        monkeypatch.undo()
        assert await days.make(FAR) == 4, "the connection is as good as before"


# Stops itself, as Lambda freezes a process, as soon as nobody else can store.
FROZEN = """
import asyncio, datetime, os, signal, sys
from shared.adapters.postgres.days import PostgresDays, opened

async def main():
    async with opened(sys.argv[1], application_name="frozen") as days:
        execute = days._execute
        async def stopping(statement):
            done = await execute(statement)
            if statement.startswith("LOCK TABLE ONLY events IN SHARE"):
                os.kill(os.getpid(), signal.SIGSTOP)
            return done
        days._execute = stopping
        await days.make(datetime.date.fromisoformat(sys.argv[2]))

asyncio.run(main())
"""


@asynccontextmanager
async def frozen(storage: InPostgres, day: date) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", FROZEN, storage.database.direct, str(day)), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(30):
            while not await count(storage, LOCKED_OUT):
                await asyncio.sleep(0.05)
        yield
    finally:
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()


async def test_a_run_that_is_frozen_where_nobody_can_store_holds_them_up_for_seconds(storage: InPostgres) -> None:
    await storage.put(FAR, KIND, 3)
    async with frozen(storage, FAR), asyncio.timeout(30):
        # As the log's consumer does it: until it is stored. The first attempts of one may be in vain.
        outcomes = await storage.store.store([a_record(an_event())])
        assert outcomes == [Outcome.STORED]
        assert (await Upkeep(storage.opened, FixedClock(MOMENT))(Deadline(60))).moved == 3


async def test_the_server_ends_a_session_that_has_gone_silent_whatever_it_holds(storage: InPostgres) -> None:
    async with connected(storage.database.direct, application_name="tests") as connection:
        shown = {
            name: (await connection.exec_driver_sql(f"SHOW {name}")).scalar_one()
            for name in ("idle_in_transaction_session_timeout", "idle_session_timeout", "tcp_keepalives_idle")
        }
    assert shown == {
        "idle_in_transaction_session_timeout": "5s",
        "idle_session_timeout": "30s",
        "tcp_keepalives_idle": "10",
    }


async def test_an_autovacuum_is_waited_for_while_everybody_stores(storage: InPostgres) -> None:
    await storage.put(FAR, KIND, 3)
    async with storage.connected() as vacuum, storage.opened() as days:
        transaction = vacuum.transaction()
        await transaction.start()
        # As one that works at the table, and that the server cancels when a waiter has waited for 1 s.
        await vacuum.execute("LOCK TABLE ONLY events_default IN SHARE UPDATE EXCLUSIVE MODE")
        making = asyncio.create_task(days.make(FAR))
        async with asyncio.timeout(20):
            while not await count(storage, f"pg_locks WHERE relation = 'events_default'::regclass AND {WAITING}"):
                await asyncio.sleep(0.02)
        assert await storage.store.store([a_record(an_event())]) == [Outcome.STORED]
        await asyncio.sleep(module.LOCK_SECONDS + 0.3)
        assert not making.done()
        await transaction.rollback()
        assert await making == 3
    assert await count(storage, f"pg_class WHERE relname = 'events_{FAR:%Y%m%d}' AND reloptions IS NULL") == 1


async def test_who_reads_for_long_is_found_out_before_the_work_that_holds_up_storing(
    storage: InPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    await storage.put(FAR, KIND)
    monkeypatch.setattr(statements, "FORGET_COPIES", "SELECT 1 / 0")
    async with storage.connected() as reader, reader.transaction(), storage.opened() as days:
        await reader.execute("SELECT 1 FROM events_default LIMIT 1")
        with pytest.raises(Unavailable, match="locked"):
            await days.make(FAR)


async def test_no_vacuum_begins_at_a_table_that_is_still_filled(storage: InPostgres) -> None:
    await storage.put(FAR, KIND)
    async with storage.connected() as reader, reader.transaction(), storage.opened() as days:
        await reader.execute("SELECT 1 FROM events_default LIMIT 1")
        with pytest.raises(Unavailable, match="locked"):
            await days.make(FAR)
        assert await count(storage, f"pg_class WHERE relname = 'making_{FAR:%Y%m%d}' AND {NO_VACUUM}") == 1


async def test_upkeep_and_a_migration_take_turns(storage: InPostgres) -> None:
    async with storage.opened():
        with pytest.raises(Unavailable, match="changing tables"):
            async with storage.opened():
                pass
        migration = asyncio.create_task(migrate(storage.database.direct, today=TODAY))
        await asyncio.sleep(0.3)
        assert not migration.done()
    assert await migration


async def test_what_expires_goes_in_bounded_steps_and_what_does_not_stays(storage: InPostgres) -> None:
    over, needed = TypeOf("tests", "over"), TypeOf("tests", "needed")
    await storage.keep(over, 1)
    await storage.put(TODAY, over, 30)
    await storage.put(TODAY, needed, 20)
    done = await Upkeep(storage.opened, FixedClock(MOMENT + timedelta(days=3)))(Deadline(60))
    assert (done.removed, done.finished) == (30, True)
    assert await storage.rows() == {(TODAY, needed): 20} == await storage.counts()
    later = MOMENT + timedelta(days=31)
    done = await Upkeep(storage.opened, FixedClock(later))(Deadline(60))
    assert TODAY not in {day for day, _ in await storage.rows()}
    async with storage.opened() as days:
        assert min(await days.days()) >= TODAY + timedelta(days=1)
    assert not await storage.counts()
