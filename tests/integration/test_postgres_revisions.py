"""What the revisions make, from the first to the last: rows come through, and the code's own view of tables is true."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, Connection, inspect
from sqlalchemy.ext.asyncio import create_async_engine

import shared.adapters.postgres as package
from millrace_harness.parts.endpoints import Endpoints
from shared.adapters.postgres.engine import Reader, Writer
from shared.adapters.postgres.eventtypes import PostgresTypeStore
from shared.adapters.postgres.migrate import migrate
from shared.adapters.postgres.reader import PostgresEventReader
from shared.adapters.postgres.store import PostgresEventStore
from shared.adapters.postgres.tables import metadata
from shared.events.model import Outcome, Position
from tests.architecture.revisions import REVISIONS
from tests.fixtures.events import MOMENT, a_record, an_event
from tests.fixtures.parts import Database, fresh_database

TODAY = MOMENT.date()
EVENT = an_event("from-the-first-revision", subject="s", data='{"a": [1, null]}')
RECORD = a_record(EVENT, partition=3, offset=7)

# A row of each table as the revision that made it knew the table, and how it is asked for at the end.
ROWS = {
    "0001": """
        INSERT INTO events (received_day, key, tenant, principal, id, source, type, partition_key, received_at, subject,
                            data, extensions, "partition", "offset")
        VALUES ('2026-03-04', $1, 'tests', 'somebody', 'from-the-first-revision', '/tests', 'test.made',
                'from-the-first-revision', '2026-03-04T05:06:07.000089Z', 's', '{"a": [1, null]}', '{}', 3, 7)
    """,
    "0003": """
        INSERT INTO event_types VALUES ('tests', 'test.made', 1, '{"type":  "object"}', 'warn', 'none', NULL, 5, 60,
                                        '2026-03-04T05:06:07Z', 'somebody')
    """,
    "0004": "INSERT INTO event_counts VALUES ('2026-03-04T05:06Z', 'tests', 'test.made', 3, 1)",
    "0005": """
        INSERT INTO dead_letters (id, topic, "partition", "offset", timestamp_ms, value, code, reason, attempts,
                                  dead_at)
        VALUES ('00000000-0000-4000-8000-000000000001', 'events', 3, 8, 1, '\\x00ff', 'json', 'not JSON', 1,
                '2026-03-04T05:06:07Z');
    """,
    "0006": """
        INSERT INTO jobs VALUES ('00000000-0000-4000-8000-000000000002', 'tests', 'replay', 'done', '{"b":  1}', '{}',
                                 '2026-03-04T05:06:07Z', 'somebody', '2026-03-04T05:06:07Z', NULL, NULL,
                                 '2026-03-04T05:06:07Z')
    """,
}
KEPT = {
    "SELECT retention_days FROM event_types": 5,
    "SELECT events FROM event_counts": 1,
    "SELECT value FROM dead_letters WHERE state = 'dead'": b"\x00\xff",
    "SELECT spec::text FROM jobs": '{"b":  1}',
}

pytestmark = pytest.mark.parts


@pytest.fixture
def empty(endpoints: Endpoints) -> Iterator[Database]:
    """A database without a schema."""
    with fresh_database(endpoints, migrated=None) as database:
        yield database


async def run(url: str, sql: str, *values: object) -> object:
    connection = await asyncpg.connect(url, timeout=5)
    try:
        return await connection.fetchval(sql, *values)
    finally:
        await connection.close()


async def test_rows_of_the_first_revision_come_through_every_later_one(empty: Database) -> None:
    for revision in REVISIONS:
        assert await migrate(empty.direct, today=TODAY, to=revision.number) == revision.number
        if sql := ROWS.get(revision.number):
            await run(empty.direct, sql, *([EVENT.key] if "$1" in sql else []))
    await empty.replicated()
    writer = Writer(empty.writer, application_name="integration")
    reader = Reader(empty.reader, application_name="integration")
    (found,) = await PostgresEventReader(reader).by_id("tests", EVENT.id, None)
    assert (found.event, found.position) == (EVENT, Position(3, 7))
    assert await PostgresEventStore(writer).store([RECORD, a_record()]) == [Outcome.DUPLICATE, Outcome.STORED]
    (type_,) = (await PostgresTypeStore(writer).current("tests")).values()
    assert bytes(type_.definition.schema) == b'{"type":  "object"}'
    assert type_.created_at == datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    for sql, value in KEPT.items():
        assert await run(empty.direct, sql) == value
    await writer.close()
    await reader.close()


def _ours(_: object, name: str | None, kind: str, *__: object) -> bool:
    # Partitions come and go, and their indexes with them; Alembic's own table is Alembic's.
    return not (kind == "table" and re.fullmatch(r"events_(\d{8}|default)|alembic_version", name or ""))


def _differences(connection: Connection) -> list[object]:
    options = {"compare_type": True, "compare_server_default": True, "include_object": _ours}
    found: list[object] = list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))
    # What Alembic does not compare.
    asked = inspect(connection)
    for table in metadata.sorted_tables:
        there = asked.get_pk_constraint(table.name)["constrained_columns"]
        if there != [column.name for column in table.primary_key]:
            found.append((table.name, "primary key", there))
        checks = asked.get_check_constraints(table.name)
        if len(checks) != sum(isinstance(each, CheckConstraint) for each in table.constraints):
            found.append((table.name, "checks", checks))
    return found


async def test_the_tables_that_the_code_knows_are_those_of_the_database(database: Database) -> None:
    engine = create_async_engine(database.direct.replace("postgresql://", "postgresql+asyncpg://", 1))
    async with engine.connect() as connection:
        assert await connection.run_sync(_differences) == []
    await engine.dispose()


STATEMENT = re.compile(r"\s*(INSERT|SELECT|UPDATE|DELETE|WITH)\s")


def _statements() -> Iterator[tuple[str, str]]:
    """The statements that stand in the adapters' modules, by their names."""
    tables = {"reader": "events", "eventtypes": "event_types"}
    for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        module = importlib.import_module(found.name)
        short = found.name.rpartition(".")[2]
        for name, value in vars(module).items():
            # Those with a gap are filled in when they are asked, and those made of `text` have other parameters.
            if isinstance(value, str) and STATEMENT.match(value) and "{" not in value:
                yield f"{short}.{name}", value
        if short in tables:
            yield f"{short}._COLUMNS", f"SELECT {module._COLUMNS} FROM {tables[short]}"


STATEMENTS = dict(_statements())


def test_there_are_statements_to_look_at() -> None:
    assert STATEMENTS.keys() >= {"store._INSERT", "eventtypes._ADD", "eventtypes._CURRENT", "reader._COLUMNS"}


@pytest.mark.parametrize("name", STATEMENTS)
async def test_every_column_that_a_statement_names_is_there(name: str, database: Database) -> None:
    connection = await asyncpg.connect(database.direct, timeout=5)
    try:
        await connection.prepare(STATEMENTS[name])
    finally:
        await connection.close()
