"""Migrations: one at a time, repeatable, and without a trace where they fail."""

import asyncio
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError

from millrace_harness.parts.endpoints import Endpoints
from shared.adapters.postgres import migrate as module
from shared.adapters.postgres.engine import Reader, Writer
from shared.adapters.postgres.migrate import migrate
from shared.adapters.postgres.reader import PostgresEventReader
from shared.adapters.postgres.store import PostgresEventStore
from shared.events.model import Outcome
from shared.kit.errors import Unavailable
from tests.fixtures.events import MOMENT, a_record, an_event
from tests.fixtures.parts import fresh_database

TODAY = MOMENT.date()
_VERSIONS = Path(module.__file__).parent / "migrations" / "versions"
NEWEST = max(path.name[:4] for path in _VERSIONS.glob("[0-9]*.py"))
HEADER = """
from alembic import op

revision = "{}"
down_revision = "{}"
branch_labels = None
depends_on = None


def upgrade():
"""
# A deploy that brings three revisions, of which the second fails.
LATER = {
    "9997": HEADER.format("9997", NEWEST) + '    op.execute("ALTER TABLE events ADD COLUMN later text")',
    "9998": HEADER.format("9998", "9997")
    + '    op.execute("CREATE TABLE left (id int)")\n    op.execute("SELECT 1 / 0")',
    "9999": HEADER.format("9999", "9998") + '    op.execute("CREATE TABLE never_made (id int)")',
}

_WAITS_SECONDS = 20.0  # a bound, not an expectation
_WAITING = "SELECT pid FROM pg_locks WHERE relation = to_regclass('events') AND NOT granted"

pytestmark = pytest.mark.parts


@pytest.fixture
def url(endpoints: Endpoints) -> Iterator[str]:
    """A database without a schema."""
    with fresh_database(endpoints, migrated=None) as empty:
        yield empty.direct


async def select(url: str, sql: str) -> list[str]:
    connection = await asyncpg.connect(url, timeout=5)
    try:
        return [str(row[0]) for row in await connection.fetch(sql)]
    finally:
        await connection.close()


async def tables(url: str) -> list[str]:
    return await select(
        url, "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relname LIKE 'events%' ORDER BY 1"
    )


async def test_an_empty_database_is_brought_to_the_newest_revision(url: str) -> None:
    assert await migrate(url, today=TODAY) == NEWEST
    assert await select(url, "SELECT version_num FROM alembic_version") == [NEWEST]


async def test_there_is_a_partition_for_yesterday_today_and_a_week_ahead(url: str) -> None:
    await migrate(url, today=TODAY)
    days = [f"events_{TODAY + timedelta(days=distance):%Y%m%d}" for distance in range(-1, 8)]
    assert await tables(url) == ["events", *days, "events_default"]


async def test_a_migration_again_changes_nothing(url: str) -> None:
    await migrate(url, today=TODAY)
    before = await tables(url)
    assert await migrate(url, today=TODAY) == NEWEST
    assert await tables(url) == before


async def test_a_later_day_adds_its_partitions(url: str) -> None:
    await migrate(url, today=TODAY)
    await migrate(url, today=TODAY + timedelta(days=3))
    assert f"events_{TODAY + timedelta(days=10):%Y%m%d}" in await tables(url)


async def test_migrations_at_once_run_one_after_the_other(url: str) -> None:
    assert await asyncio.gather(*(migrate(url, today=TODAY) for _ in range(4))) == [NEWEST] * 4
    assert await select(url, "SELECT version_num FROM alembic_version") == [NEWEST]


async def test_no_lock_is_left_behind(url: str) -> None:
    await migrate(url, today=TODAY)
    held = "SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND database = "
    assert await select(url, held + "(SELECT oid FROM pg_database WHERE datname = current_database())") == []


async def test_an_event_of_a_day_without_a_partition_is_not_lost(url: str) -> None:
    await migrate(url, today=TODAY)
    far = MOMENT + timedelta(days=30)
    writer = Writer(url, application_name="integration")
    store, record = PostgresEventStore(writer), a_record(an_event(received_at=far))
    assert await store.store([record]) == [Outcome.STORED]
    assert await select(url, "SELECT id FROM events_default") == [record.event.id]
    # Its day comes, and it lies where it would have lain.
    assert await migrate(url, today=far.date()) == NEWEST
    assert await store.store([record]) == [Outcome.DUPLICATE]
    assert await select(url, f"SELECT id FROM events_{far:%Y%m%d}") == [record.event.id]
    assert await select(url, "SELECT id FROM events_default") == []
    await writer.close()


async def test_a_migration_that_fails_leaves_the_version_before_at_work(
    endpoints: Endpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fresh_database(endpoints, migrated=TODAY) as database:
        writer = Writer(database.writer, application_name="integration")
        reader = Reader(database.reader, application_name="integration")
        store, asked = PostgresEventStore(writer), PostgresEventReader(reader)
        before = a_record()
        assert await store.store([before]) == [Outcome.STORED]

        revisions = tmp_path / "migrations" / "versions"
        shutil.copytree(_VERSIONS.parent, revisions.parent)
        for name, content in LATER.items():
            (revisions / f"{name}.py").write_text(content + "\n")
        # The revisions lie beside the module, and there is none that fails.
        monkeypatch.setattr(module, "__file__", str(tmp_path / "migrate.py"))
        with pytest.raises(DBAPIError):
            await migrate(database.direct, today=TODAY)
        monkeypatch.undo()

        # Each revision is whole: the first stands, of the one that failed nothing is left, the third was not begun.
        assert await select(database.direct, "SELECT version_num FROM alembic_version") == ["9997"]
        assert await select(
            database.direct, "SELECT coalesce(to_regclass('left_behind'), to_regclass('never_made'))"
        ) == ["None"]
        after = a_record(offset=1)
        assert await store.store([before, after]) == [Outcome.DUPLICATE, Outcome.STORED]
        await database.replicated()
        for record in (before, after):
            (found,) = await asked.by_id("tests", record.event.id, None)
            assert found.event == record.event
        await writer.close()
        await reader.close()


async def test_a_revision_waits_for_a_busy_table_but_not_for_ever_and_keeps_nobody_waiting_behind_it(url: str) -> None:
    await migrate(url, today=TODAY, to="0001")
    holder = await asyncpg.connect(url, timeout=5)
    transaction = holder.transaction()
    await transaction.start()
    await holder.execute("LOCK TABLE events IN ROW EXCLUSIVE MODE")  # a batch that does not end
    migration = asyncio.create_task(migrate(url, today=TODAY, to="0002"))
    async with asyncio.timeout(_WAITS_SECONDS):
        while not await select(url, _WAITING):
            await asyncio.sleep(0.05)
    # Behind the revision, which waits for the batch, and yet it comes through.
    other = await asyncpg.connect(url, timeout=5, command_timeout=_WAITS_SECONDS)
    await other.execute("LOCK TABLE events IN ROW EXCLUSIVE MODE; SELECT 1")
    assert not migration.done()
    with pytest.raises(Unavailable, match="locked"):
        await migration
    assert await select(url, "SELECT version_num FROM alembic_version") == ["0001"]
    await transaction.rollback()
    assert await migrate(url, today=TODAY, to="0002") == "0002"
    await holder.close()
    await other.close()


async def test_an_absent_database_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        await migrate("postgresql://millrace:nothing@127.0.0.1:1/millrace", today=TODAY)  # nothing listens there
