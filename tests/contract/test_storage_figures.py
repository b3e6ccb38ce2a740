"""What StorageFigures promises, kept by figures in memory and by PostgreSQL; what the latter counts and measures."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from millrace_harness.parts.endpoints import Endpoints
from shared.adapters.memory.status import MemoryStorageFigures
from shared.adapters.postgres.engine import Writer
from shared.adapters.postgres.figures import PostgresFigures
from shared.adapters.postgres.migrate import migrate
from shared.adapters.postgres.store import PostgresEventStore
from shared.events.days import DAYS_AHEAD
from shared.kit.clock import SystemClock
from shared.kit.errors import Unavailable
from shared.status.model import DeadLetters, Latency
from shared.status.ports import StorageFigures
from tests.fixtures.events import MOMENT, a_record, an_event
from tests.fixtures.parts import Database, fresh_database

TODAY = MOMENT.date()
BUDGET = 60
NOBODY = "postgresql://millrace:nothing@127.0.0.1:1/millrace"  # a port that nothing listens on


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.parts)])
async def figures(request: pytest.FixtureRequest) -> AsyncIterator[StorageFigures]:
    """The port over storage in which nothing lies."""
    if request.param == "memory":
        yield MemoryStorageFigures()
        return
    with fresh_database(request.getfixturevalue("endpoints"), migrated=TODAY) as database:
        writer = Writer(database.writer, application_name="contract")
        yield PostgresFigures(writer, connection_budget=BUDGET)
        await writer.close()


@pytest.fixture(params=["memory", "postgres"])
async def absent(request: pytest.FixtureRequest) -> AsyncIterator[StorageFigures]:
    """The port over nothing."""
    if request.param == "memory":
        memory = MemoryStorageFigures()
        memory.away = True
        yield memory
        return
    writer = Writer(NOBODY, application_name="contract")
    yield PostgresFigures(writer, connection_budget=BUDGET)
    await writer.close()


async def test_of_storage_in_which_nothing_lies_that_is_told(figures: StorageFigures) -> None:
    assert await figures.dead_letters() == DeadLetters(0)
    assert await figures.latency(MOMENT) == Latency(sampled=0, p50_ms=None, p95_ms=None, p99_ms=None)
    connections = await figures.connections()
    assert 0 < connections.in_use <= connections.most
    assert connections.budget == BUDGET
    partitions = await figures.partitions(TODAY)
    assert (partitions.ahead, partitions.default_rows) == (DAYS_AHEAD, 0)
    assert partitions.oldest == str(TODAY - timedelta(days=1))


async def test_storage_that_is_away_says_so(absent: StorageFigures) -> None:
    with pytest.raises(Unavailable):
        await absent.dead_letters()
    with pytest.raises(Unavailable):
        await absent.latency(MOMENT)
    with pytest.raises(Unavailable):
        await absent.connections()
    with pytest.raises(Unavailable):
        await absent.partitions(TODAY)


@pytest.fixture
async def database(endpoints: Endpoints) -> AsyncIterator[Database]:
    """One of the test's own, with partitions around the day that it is."""
    with fresh_database(endpoints, migrated=SystemClock().now().date()) as fresh:
        yield fresh


@pytest.fixture
async def writer(database: Database) -> AsyncIterator[Writer]:
    made = Writer(database.writer, application_name="contract")
    yield made
    await made.close()


async def execute(database: Database, sql: str, *values: object) -> None:
    connection = await asyncpg.connect(database.direct, timeout=5)
    try:
        await connection.execute(sql, *values)
    finally:
        await connection.close()


@pytest.mark.parts
async def test_what_was_stored_just_now_tells_how_long_it_took_wherever_it_lies(
    database: Database, writer: Writer
) -> None:
    now = datetime.now(UTC)
    # Of today, and of a day so far away that it has no partition; what is older than five minutes does not count.
    ages = [1.0] * 90 + [2.0] * 9 + [40 * 24 * 3600.0]
    records = [a_record(an_event(received_at=now - timedelta(seconds=age))) for age in ages]
    await PostgresEventStore(writer).store(records)
    old = a_record(an_event(received_at=now))
    await PostgresEventStore(writer).store([old])
    await execute(
        database, "UPDATE events SET stored_at = stored_at - interval '6 minutes' WHERE key = $1", old.event.key
    )
    found = await PostgresFigures(writer, connection_budget=BUDGET).latency(datetime.now(UTC))
    assert found.sampled == 100
    assert found.p50_ms is not None
    assert found.p95_ms is not None
    assert found.p99_ms is not None
    assert 1_000 <= found.p50_ms < 2_000 <= found.p95_ms < 40 * 24 * 3_600_000
    assert found.p95_ms < found.p99_ms


@pytest.mark.parts
async def test_only_letters_that_wait_for_somebody_are_counted(database: Database, writer: Writer) -> None:
    await execute(
        database,
        """
        INSERT INTO dead_letters (id, topic, "partition", "offset", timestamp_ms, code, reason, attempts, dead_at,
                                  state)
        SELECT gen_random_uuid(), 't', 0, number, 0, 'c', 'r', 1, now(), state
        FROM generate_series(1, 3) number, unnest(ARRAY['dead', 'redriven', 'discarded']) state
        """,
    )
    assert await PostgresFigures(writer, connection_budget=BUDGET).dead_letters() == DeadLetters(3)


@pytest.mark.parts
async def test_days_ahead_are_counted_up_to_the_first_that_is_missing(database: Database, writer: Writer) -> None:
    today = SystemClock().now().date()
    figures = PostgresFigures(writer, connection_budget=BUDGET)
    await execute(database, f"DROP TABLE events_{today + timedelta(days=3):%Y%m%d}")
    assert (await figures.partitions(today)).ahead == 2
    far = datetime.now(UTC) + timedelta(days=40)
    await PostgresEventStore(writer).store([a_record(an_event(received_at=far)) for _ in range(5)])
    assert (await figures.partitions(today)).default_rows == 5
    await migrate(database.direct, today=today)
    assert (await figures.partitions(today)).ahead == DAYS_AHEAD


@pytest.mark.parts
async def test_a_database_without_tables_tells_nothing(endpoints: Endpoints) -> None:
    with fresh_database(endpoints, migrated=None) as empty:
        writer = Writer(empty.writer, application_name="contract")
        with pytest.raises(Unavailable):
            await PostgresFigures(writer, connection_budget=BUDGET).partitions(TODAY)
        await writer.close()
