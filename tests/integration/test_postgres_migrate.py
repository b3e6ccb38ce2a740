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
from shared.adapters.postgres.engine import Writer
from shared.adapters.postgres.migrate import migrate
from shared.adapters.postgres.store import PostgresEventStore
from shared.events.model import Outcome
from shared.kit.errors import Unavailable
from tests.fixtures.events import MOMENT, a_record, an_event
from tests.fixtures.parts import fresh_database

TODAY = MOMENT.date()
_VERSIONS = Path(module.__file__).parent / "migrations" / "versions"
NEWEST = max(path.name[:4] for path in _VERSIONS.glob("[0-9]*.py"))
FAILING = f"""
from alembic import op

revision = "9999"
down_revision = "{NEWEST}"
branch_labels = None
depends_on = None


def upgrade():
    op.execute("CREATE TABLE left_behind (id int)")
    op.execute("SELECT 1 / 0")
"""

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
    # Its day stays in the default partition: PostgreSQL refuses a partition for rows that lie there.
    assert await migrate(url, today=far.date()) == NEWEST
    assert await store.store([record]) == [Outcome.DUPLICATE]
    assert f"events_{far:%Y%m%d}" not in await tables(url)
    assert f"events_{far + timedelta(days=1):%Y%m%d}" in await tables(url)
    await writer.close()


async def test_a_migration_that_fails_leaves_the_version_before(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrate(url, today=TODAY)
    shutil.copytree(Path(module.__file__).parent / "migrations", tmp_path / "migrations")
    (tmp_path / "migrations" / "versions" / "9999_failing.py").write_text(FAILING)
    # The revisions lie beside the module, and there is none that fails.
    monkeypatch.setattr(module, "__file__", str(tmp_path / "migrate.py"))
    with pytest.raises(DBAPIError):
        await migrate(url, today=TODAY)
    assert await select(url, "SELECT version_num FROM alembic_version") == [NEWEST]
    assert await select(url, "SELECT to_regclass('left_behind')") == ["None"]
    monkeypatch.undo()
    assert await migrate(url, today=TODAY) == NEWEST


async def test_an_absent_database_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        await migrate("postgresql://millrace:nothing@127.0.0.1:1/millrace", today=TODAY)  # nothing listens there
