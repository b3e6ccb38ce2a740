"""What the functions say to PostgreSQL, read off the wire from a connection's first byte on.

RDS Proxy keeps a connection for one client alone ("pins" it) after what would leave a trace on it, and then there is no
pool any more (RDS user guide, "Avoiding pinning an RDS Proxy").
"""

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from shared.adapters.memory.admission import MemoryWaiters
from shared.adapters.memory.cache import MemoryCache
from shared.adapters.memory.dead import MemoryDeadLetterLog
from shared.adapters.memory.eventtypes import MemorySnapshots
from shared.adapters.postgres.engine import Reader, Writer
from shared.adapters.postgres.eventtypes import PostgresTypeStore
from shared.adapters.postgres.reader import PostgresEventReader
from shared.adapters.postgres.store import PostgresEventStore
from shared.events.model import Outcome
from shared.events.persist import Persist
from shared.events.ports import EventFilter
from shared.events.query import PageRequest, Query
from shared.eventtypes.registry import Registry
from shared.kit.clock import FixedClock
from shared.kit.cursor import CursorSigner
from tests.fixtures.events import MOMENT, an_event
from tests.fixtures.frontend import Frontend, frontend
from tests.fixtures.parts import Database
from tests.fixtures.persist import raw
from tests.fixtures.types import a_version

pytestmark = pytest.mark.parts

_MOST_BYTES = 16 * 1024
_PARAMETERS = {"user", "database", "application_name", "client_encoding", "DateStyle", "TimeZone", "search_path"}
"""What a client may say of a connection when it opens it ("Connecting to a database through RDS Proxy")."""

_PINNING = re.compile(
    r"\b(SET|RESET|SHOW|PREPARE|EXECUTE|DEALLOCATE|DISCARD|LISTEN|UNLISTEN|NOTIFY|DECLARE|FETCH|TEMP|TEMPORARY|LOCK)\b"
    r"|set_config|current_setting|nextval|setval|pg_advisory|pg_try_advisory",
    re.IGNORECASE,
)
_CATALOG = re.compile(
    r"pg_catalog|information_schema|pg_(type|class|namespace|proc|range|attribute)|version\(\)|current_schema"
)


def faults(heard: Frontend) -> list[str]:
    """What of it would pin, in words. The one SET that is none is an UPDATE's."""
    found = [f"the parameter {name}" for name in sorted(heard.parameters - _PARAMETERS)]
    found += [f"the name {name}" for name in heard.named]
    for statement in heard.statements:
        said = re.sub(r"DO UPDATE\s+SET|UPDATE \w+\s+SET", "", statement)
        found += [f"{match[0]} in {statement[:80]}" for match in (*_PINNING.finditer(said), *_CATALOG.finditer(said))]
        found += [f"{len(statement)} bytes"] if len(statement.encode()) > _MOST_BYTES else []
    return found


@pytest.fixture
async def wire(database: Database) -> AsyncIterator[Frontend]:
    """The writer's pooler behind a door that listens."""
    async with frontend(database.writer) as heard:
        yield heard


@pytest.fixture
async def read_wire(database: Database) -> AsyncIterator[Frontend]:
    """The reader's pooler behind one."""
    async with frontend(database.reader) as heard:
        yield heard


@pytest.fixture
async def writer(wire: Frontend) -> AsyncIterator[Writer]:
    """One that has not connected yet."""
    made = Writer(wire.url, application_name="wire")
    yield made
    await made.close()


@pytest.fixture
async def reader(read_wire: Frontend) -> AsyncIterator[Reader]:
    """One that has not connected yet."""
    made = Reader(read_wire.url, application_name="wire")
    yield made
    await made.close()


def persist_of(writer: Writer) -> Persist:
    clock = FixedClock(MOMENT)
    return Persist(PostgresEventStore(writer), MemoryDeadLetterLog(), MemoryWaiters(), clock, max_poison_share=0.5)


async def test_persist_says_nothing_that_pins(wire: Frontend, writer: Writer) -> None:
    persist = persist_of(writer)
    for size in (1, 2000):
        records = [raw(an_event(received_at=MOMENT + timedelta(minutes=n)), n) for n in range(size)]
        assert await persist(records) == [Outcome.STORED] * size
        assert await persist(records) == [Outcome.DUPLICATE] * size
    refused = [raw(an_event(data="1e131072"), 0), raw(an_event("\0"), 1), raw(an_event(), 2)]
    deep = [raw(an_event(data="[" * 20_000 + "]" * 20_000), 3), raw(an_event(), 4)]
    stored, invalid = Outcome.STORED, Outcome.INVALID
    assert await persist(refused) + await persist(deep) == [invalid, invalid, stored, invalid, stored]
    assert wire.connections
    assert any("INSERT INTO events" in statement for statement in wire.statements)
    assert any("pg_input_is_valid" in statement for statement in wire.statements)
    assert faults(wire) == []


async def test_query_says_nothing_that_pins(
    wire: Frontend, writer: Writer, read_wire: Frontend, reader: Reader, database: Database
) -> None:
    events = [an_event(tenant="wire"), an_event(tenant="wire")]
    assert await persist_of(writer)([raw(event, n) for n, event in enumerate(events)]) == [Outcome.STORED] * 2
    await database.replicated()
    query = Query(PostgresEventReader(reader), MemoryCache(), CursorSigner("a-secret-of-the-tests"))
    assert await query.event("wire", events[0].id, events[0].source)
    where = EventFilter(type="test.made", source="/tests", since=MOMENT, until=MOMENT + timedelta(days=1))
    page = await query.page("wire", PageRequest(where=where, limit=1))
    assert page.next is not None
    assert (await query.page("wire", PageRequest(where=where, limit=1, cursor=page.next))).events
    assert read_wire.connections
    assert any("FROM events" in statement for statement in read_wire.statements)
    assert faults(read_wire) == faults(wire) == []


async def test_manage_and_the_types_that_ingest_reads_say_nothing_that_pins(
    wire: Frontend, writer: Writer, read_wire: Frontend, reader: Reader, database: Database
) -> None:
    registry = Registry(PostgresTypeStore(writer), MemorySnapshots(), FixedClock(MOMENT))
    definition = a_version().definition
    made, _ = await registry.put("wire", "tests", "wire.made", definition)
    assert await registry.get("wire", "wire.made") == made
    assert await registry.versions("wire", "wire.made")
    assert await registry.all("wire")
    await database.replicated()
    assert await PostgresTypeStore(reader).current("wire") == {"wire.made": made}
    for heard in (wire, read_wire):
        assert heard.connections
        assert any("event_types" in statement for statement in heard.statements)
        assert faults(heard) == []


async def test_a_statement_that_pins_is_noticed(wire: Frontend, writer: Writer) -> None:
    await writer.transaction(lambda connection: connection.exec_driver_sql("SET LOCAL jit = off"))
    await writer.transaction(lambda connection: connection.exec_driver_sql("SELECT '{1}'::int[]"))
    await writer.transaction(lambda connection: connection.exec_driver_sql(f"SELECT 1 -- {'x' * _MOST_BYTES}"))
    found = faults(wire)
    assert any(fault.startswith("SET in SET LOCAL") for fault in found)
    assert any("pg_catalog" in fault for fault in found)
    assert any(fault.endswith("bytes") for fault in found)
