"""The event store over a real database: what it isolates, what it survives, what it says on the wire."""

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from millrace_harness.parts.endpoints import Endpoints
from shared.adapters.postgres.engine import Reader, Writer
from shared.adapters.postgres.migrate import migrate
from shared.adapters.postgres.reader import PostgresEventReader
from shared.adapters.postgres.store import PostgresEventStore
from shared.events.model import LogRecord, Outcome
from shared.events.ports import Refused
from tests.fixtures.events import MOMENT, a_record, an_event
from tests.fixtures.network import gate
from tests.fixtures.parts import Database, fresh_database

_SLACK_SECONDS = 5.0  # for a machine that has other things to do: what is told apart is a bound from a hang

pytestmark = pytest.mark.parts


@pytest.fixture
async def writer(database: Database) -> AsyncIterator[Writer]:
    """One that has not connected yet."""
    made = Writer(database.writer, application_name="integration")
    yield made
    await made.close()


@pytest.fixture
def store(writer: Writer) -> PostgresEventStore:
    """The store over it."""
    return PostgresEventStore(writer)


async def rows_of(database: Database, records: list[LogRecord]) -> dict[str, int]:
    """How many rows each event has, by the primary."""
    connection = await asyncpg.connect(database.direct, timeout=5)
    try:
        ids = [record.event.id for record in records]
        sql = "SELECT id, count(*) AS rows FROM events WHERE id = ANY($1) GROUP BY id"
        return {row["id"]: row["rows"] for row in await connection.fetch(sql, ids)}
    finally:
        await connection.close()


@pytest.mark.parametrize("poison", ["1e131072", r'"\u0000"', r'"\ud800"', r'{"\u0000": 1}', "not json"])
async def test_what_storage_refuses_is_named_and_nothing_is_stored(
    store: PostgresEventStore, database: Database, poison: str
) -> None:
    records = [a_record(offset=number) for number in range(9)]
    records[3] = a_record(an_event(data=poison), offset=3)
    records[7] = a_record(an_event(subject="\0"), offset=7)
    found = await store.store(records)
    assert isinstance(found, Refused)
    assert (set(found.reasons), found.searched) == ({3, 7}, 9)
    assert re.fullmatch(r"Storage refuses its data \(22\w{3}\)\.", found.reasons[3])
    assert found.reasons[7] == "Storage cannot hold U+0000 in its subject."
    assert await store.examine(records) == found.reasons
    assert await rows_of(database, records) == {}


@pytest.mark.parametrize(
    ("poison", "code"),
    [({"data": "[" * 20_000 + "]" * 20_000}, "54001"), ({"type": random.Random(1).randbytes(9000).hex()}, "54000")],
    ids=["too deep", "too long for an index"],
)
async def test_what_no_question_shows_is_found_by_trying(
    store: PostgresEventStore, database: Database, poison: dict[str, str], code: str
) -> None:
    records = [a_record(offset=number) for number in range(50)]
    for place in (0, 20, 21, 49):
        records[place] = a_record(an_event(**poison), offset=place)
    found = await store.store(records)
    assert found == Refused({place: f"Storage refuses it ({code})." for place in (0, 20, 21, 49)}, 50)
    assert await rows_of(database, records) == {}


async def test_a_search_that_takes_too_long_ends_and_says_how_far_it_came(
    store: PostgresEventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No batch is large enough to take 5 s here.
    monkeypatch.setattr("shared.adapters.postgres.store._SEARCH_SECONDS", 0.0)
    records = [a_record(an_event(data="[" * 20_000 + "]" * 20_000))]
    assert await store.store(records) == Refused({}, 0)


async def test_a_batch_of_nothing_but_poison_is_refused_as_a_whole(store: PostgresEventStore) -> None:
    found = await store.store([a_record(an_event(data="1e131072"), offset=number) for number in range(5)])
    assert isinstance(found, Refused)
    assert list(found.reasons) == list(range(5))


async def test_a_record_for_which_there_is_no_partition_is_not_to_blame(endpoints: Endpoints) -> None:
    with fresh_database(endpoints) as fresh:
        connection = await asyncpg.connect(fresh.direct, timeout=5)
        await connection.execute("DROP TABLE events_default")
        await connection.close()
        writer = Writer(fresh.writer, application_name="integration")
        record = a_record(an_event(received_at=MOMENT + timedelta(days=400)))
        assert await PostgresEventStore(writer).store([record]) == [Outcome.UNAVAILABLE]
        await writer.close()


async def test_a_database_that_refuses_every_row_is_away_whatever_it_says(endpoints: Endpoints) -> None:
    # As a server does that has run out of transaction ids: it would be no record's fault, and SQLSTATE says it is.
    with fresh_database(endpoints) as fresh:
        connection = await asyncpg.connect(fresh.direct, timeout=5)
        await connection.execute("""
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE program_limit_exceeded USING MESSAGE = 'database is not accepting commands'; END $$
        """)
        await connection.execute("CREATE TRIGGER refuse BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION refuse()")
        writer = Writer(fresh.writer, application_name="integration")
        store, records = PostgresEventStore(writer), [a_record(offset=number) for number in range(20)]
        assert await store.store(records) == [Outcome.UNAVAILABLE] * 20
        await connection.execute("DROP TRIGGER refuse ON events")
        await connection.close()
        assert await store.store(records) == [Outcome.STORED] * 20
        await writer.close()


async def test_two_stores_of_one_batch_at_once_leave_one_row_each(database: Database) -> None:
    records = [a_record(offset=number) for number in range(300)]
    writers = [Writer(database.writer, application_name="integration") for _ in range(2)]
    # One goes backwards: the two wait for each other's rows, and PostgreSQL ends one of them as a deadlock.
    answers = await asyncio.gather(
        PostgresEventStore(writers[0]).store(records), PostgresEventStore(writers[1]).store(records[::-1])
    )
    one_answer, other_answer = answers
    assert isinstance(one_answer, list)
    assert isinstance(other_answer, list)
    for one, other in zip(one_answer, other_answer[::-1], strict=True):
        assert {one, other} == {Outcome.STORED, Outcome.DUPLICATE}
    assert set((await rows_of(database, records)).values()) == {1}
    for writer in writers:
        await writer.close()


async def test_a_store_survives_the_end_of_its_connection(
    store: PostgresEventStore, writer: Writer, database: Database
) -> None:
    assert await store.store([a_record()]) == [Outcome.STORED]
    connection = await asyncpg.connect(database.direct, timeout=5)
    name = database.direct.rpartition("/")[2]
    sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()"
    assert await connection.fetchval(sql, name) > 0
    await connection.close()
    assert await store.store([a_record()]) == [Outcome.STORED]


async def test_a_database_that_accepts_and_never_answers_is_unavailable_within_a_bound() -> None:
    async with gate() as silent:
        writer = Writer(f"postgresql://millrace:nothing@{silent.address}/millrace", application_name="integration")
        began = time.monotonic()
        assert await PostgresEventStore(writer).store([a_record()]) == [Outcome.UNAVAILABLE]
        assert time.monotonic() - began < 2 * 2.0 + _SLACK_SECONDS
        await writer.close()


async def test_a_wrong_password_is_no_records_fault(database: Database) -> None:
    wrong = re.sub(r"(?<=:)[^:/@]+(?=@)", "wrong", database.direct)
    assert wrong != database.direct
    writer = Writer(wrong, application_name="integration")
    assert await PostgresEventStore(writer).store([a_record(), a_record()]) == [Outcome.UNAVAILABLE] * 2
    await writer.close()


async def test_a_table_that_is_not_there_yet_is_no_records_fault(endpoints: Endpoints) -> None:
    with fresh_database(endpoints, migrated=None) as empty:
        writer = Writer(empty.direct, application_name="integration")
        store, records = PostgresEventStore(writer), [a_record(), a_record()]
        assert await store.store(records) == [Outcome.UNAVAILABLE] * 2
        await migrate(empty.direct, today=MOMENT.date())
        assert await store.store(records) == [Outcome.STORED] * 2
        await writer.close()


async def test_times_come_back_to_the_microsecond(store: PostgresEventStore, database: Database) -> None:
    event = an_event(
        tenant="times", received_at=MOMENT.replace(microsecond=999_999), time=MOMENT - timedelta(days=700_000)
    )
    before = datetime.now(UTC) - timedelta(seconds=1)  # the database has a clock of its own
    await store.store([a_record(event)])
    await database.replicated()
    reader = Reader(database.reader, application_name="integration")
    (stored,) = await PostgresEventReader(reader).by_id("times", event.id, None)
    assert (stored.event.received_at, stored.event.time) == (event.received_at, event.time)
    assert before < stored.stored_at < datetime.now(UTC) + timedelta(seconds=1)
    await reader.close()


async def test_the_database_knows_a_connection_by_its_name(writer: Writer, database: Database) -> None:
    reader = Reader(database.reader, application_name="integration-reader")
    sql = "SELECT current_setting('application_name')"
    assert (await writer.transaction(lambda c: c.exec_driver_sql(sql))).scalar_one() == "integration"
    assert (await reader.transaction(lambda c: c.exec_driver_sql(sql))).scalar_one() == "integration-reader"
    await reader.close()


async def test_the_replica_cannot_be_written_to(database: Database) -> None:
    wrong = Writer(database.reader, application_name="integration")
    assert await PostgresEventStore(wrong).store([a_record()]) == [Outcome.UNAVAILABLE]
    await wrong.close()
