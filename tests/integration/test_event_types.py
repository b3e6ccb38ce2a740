"""Event types from `manage` to `ingest`, over real parts."""

import asyncio
import hashlib
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import httpx
import pytest
from redis.asyncio import Redis

from functions.ingest.routes import routes as ingest_routes
from functions.ingest.wiring import Parts as IngestParts
from millrace_harness.parts.endpoints import Endpoints
from shared.access.development_key import DevelopmentKey
from shared.adapters.memory.admission import MemoryAdmission, MemoryWaiters
from shared.adapters.memory.answers import MemoryAnswers
from shared.adapters.memory.events import MemoryEventLog
from shared.adapters.memory.spool import MemorySpool
from shared.adapters.postgres.engine import Reader, Writer
from shared.adapters.postgres.eventtypes import PostgresTypeStore
from shared.adapters.redis.connection import RedisConnection
from shared.adapters.redis.snapshots import RedisSnapshots
from shared.events.ingest import Ingest
from shared.events.outage import SpoolingLog
from shared.eventtypes.registry import Registry
from shared.eventtypes.rules import FRESH_SECONDS, CachedRules
from shared.kit.clock import SystemClock
from shared.runtime.http import create_app
from tests.fixtures.doors import KEY, ManageDoor, client_of
from tests.fixtures.network import gate
from tests.fixtures.parts import Database
from tests.fixtures.types import a_version

pytestmark = pytest.mark.parts

_SLACK_SECONDS = 5.0  # for a machine that has other things to do
OBJECT = {"type": "object"}


def access_of(tenant: str) -> DevelopmentKey:
    return DevelopmentKey(hashlib.sha256(KEY.encode()).hexdigest(), tenant=tenant)


@dataclass
class Room:
    """`manage` and `ingest` of one tenant, with one PostgreSQL and one Valkey between them."""

    tenant: str
    manage: httpx.AsyncClient
    ingest: httpx.AsyncClient
    registry: Registry
    snapshots: RedisSnapshots
    rules: CachedRules

    async def put(self, name: str, schema: object, **fields: object) -> httpx.Response:
        return await self.manage.put(f"/v1/event-types/{name}", json={"schema": schema} | fields)

    async def send(self, name: str, data: object) -> httpx.Response:
        return await self.ingest.post("/v1/events", json={"type": name, "data": data})


@pytest.fixture
async def room(endpoints: Endpoints, database: Database) -> AsyncIterator[Room]:
    """A tenant that nobody has heard of."""
    clock = SystemClock()
    tenant = f"types-{uuid4().hex[:12]}"
    access = access_of(tenant)
    writer = Writer(database.writer, application_name="manage")
    reader = Reader(database.reader, application_name="ingest")
    connections = [RedisConnection(endpoints.redis_url, client_name=name) for name in ("manage", "ingest")]
    snapshots, seen = (RedisSnapshots(connection) for connection in connections)
    registry = Registry(PostgresTypeStore(writer), snapshots, clock)
    rules = CachedRules(seen, PostgresTypeStore(reader))
    log = MemoryEventLog()
    admission = MemoryAdmission()
    ingest = Ingest(SpoolingLog(log, MemorySpool(), admission, clock), rules, admission, MemoryWaiters(), clock)
    manage_app = ManageDoor(access=access, registry=registry).app
    ingest_app = create_app(ingest_routes(IngestParts(access, log, ingest, MemoryAnswers(), clock)))
    async with client_of(manage_app, key=KEY) as to_manage, client_of(ingest_app, key=KEY) as to_ingest:
        yield Room(tenant, to_manage, to_ingest, registry, snapshots, rules)
    for connection in connections:
        await connection.close()
    await writer.close()
    await reader.close()


async def test_a_change_is_seen_by_ingest_within_its_bound(room: Room) -> None:
    assert (await room.send("order.placed", 1)).status_code == 202
    assert (await room.put("order.placed", OBJECT)).status_code == 201
    changed = time.monotonic()
    response = await room.send("order.placed", 1)
    while response.status_code == 202 and time.monotonic() - changed < FRESH_SECONDS + _SLACK_SECONDS:
        await asyncio.sleep(0.1)
        response = await room.send("order.placed", 1)
    assert response.status_code == 422
    assert [fault["pointer"] for fault in response.json()["errors"]] == ["/data"]
    assert time.monotonic() - changed > FRESH_SECONDS - 1, "what was known was used while it was fresh"
    assert (await room.send("order.placed", {})).status_code == 202


async def test_a_new_environment_without_a_snapshot_reads_the_replica(
    room: Room, endpoints: Endpoints, database: Database
) -> None:
    assert (await room.put("order.placed", OBJECT)).status_code == 201
    server = Redis.from_url(endpoints.redis_url)
    assert await server.delete(f"types:{{{room.tenant}}}") == 1
    await database.replicated()
    assert (await room.send("order.placed", 1)).status_code == 422
    assert 0 < await server.ttl(f"types:{{{room.tenant}}}") <= 15, "the next environment finds a snapshot"
    await server.aclose()


async def test_a_replica_that_is_behind_does_not_hide_a_change(room: Room) -> None:
    await room.put("order.placed", OBJECT)
    await room.put("order.placed", OBJECT, mode="warn")
    await room.snapshots.write(room.tenant, {"order.placed": a_version(schema=OBJECT)})  # what a late one would write
    assert (await room.send("order.placed", 1)).status_code == 202


async def test_the_key_path_decides_the_partition_key(room: Room) -> None:
    await room.put("order.placed", OBJECT, key_path="/customer/id")
    rules = (await room.rules.of(room.tenant)).rules
    assert rules["order.placed"].partition_key(b'{"customer":{"id":42}}') == "42"


async def test_of_many_changes_at_once_none_is_lost_and_no_number_is_left_out(
    room: Room, endpoints: Endpoints, database: Database
) -> None:
    await room.put("order.placed", {"maximum": 0}, compatibility="none")
    writers = [Writer(database.writer, application_name="manage") for _ in range(4)]
    registries = [Registry(PostgresTypeStore(writer), room.snapshots, SystemClock()) for writer in writers]
    access = access_of(room.tenant)

    async def change(number: int) -> tuple[int, int]:
        app = ManageDoor(access=access, registry=registries[number % 4]).app
        async with client_of(app) as client:
            body = {"schema": {"maximum": number}, "compatibility": "none"}
            response = await client.put("/v1/event-types/order.placed", json=body)
        return response.status_code, response.json().get("version", 0)

    answers = await asyncio.gather(*(change(number) for number in range(1, 13)))
    made = sorted(version for status, version in answers if status == 201)
    assert {status for status, _ in answers} <= {201, 409}
    assert made == list(range(2, len(made) + 2))
    versions, _ = await room.registry.versions(room.tenant, "order.placed")
    assert sorted(version.version for version in versions) == [1, *made]
    snapshot = await room.snapshots.read(room.tenant)
    assert snapshot is not None
    assert snapshot["order.placed"].version == made[-1], "the snapshot has the last of them"
    for writer in writers:
        await writer.close()


async def test_of_many_that_say_the_same_at_once_one_version_is_made(room: Room) -> None:
    answers = await asyncio.gather(*(room.put("order.placed", OBJECT) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
    assert {answer.json()["version"] for answer in answers} == {1}


async def test_types_as_large_as_they_may_be_are_read_in_time(room: Room) -> None:
    large = {"description": "x" * 65_000}
    for number in range(16):
        assert (await room.put(f"t{number}", large)).status_code == 201
    ruleset = await room.rules.of(room.tenant)
    assert (len(ruleset.rules), ruleset.known) == (16, True)


async def test_a_database_that_accepts_and_never_answers_costs_about_a_second() -> None:
    async with gate() as silent:
        reader = Reader(f"postgresql://nobody:nothing@{silent.address}/millrace", application_name="ingest")
        connection = RedisConnection("redis://127.0.0.1:1", client_name="ingest")  # a port that nothing listens on
        rules = CachedRules(RedisSnapshots(connection), PostgresTypeStore(reader))
        began = time.monotonic()
        for _ in range(20):
            assert not (await rules.of("anybody")).known
        assert time.monotonic() - began < 1.2 + _SLACK_SECONDS / 2
        await connection.close()
        await reader.close()


def test_ingest_imports_no_sql_driver_before_it_needs_one() -> None:
    code = "import sys, functions.ingest.wiring; print({'sqlalchemy', 'asyncpg'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "set()"
