"""What Snapshots promise, kept by those in memory and by Redis or Valkey."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from shared.adapters.memory.eventtypes import MemorySnapshots
from shared.adapters.redis.connection import RedisConnection
from shared.adapters.redis.snapshots import RedisSnapshots
from shared.eventtypes.model import EventType
from shared.eventtypes.ports import Snapshots
from tests.fixtures.types import a_version


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.parts)])
async def snapshots(request: pytest.FixtureRequest) -> AsyncIterator[Snapshots]:
    """The port over something that answers."""
    if request.param == "memory":
        yield MemorySnapshots()
        return
    connection = RedisConnection(request.getfixturevalue("endpoints").redis_url, client_name="contract")
    yield RedisSnapshots(connection)
    await connection.close()


@pytest.fixture(params=["memory", "redis"])
async def absent(request: pytest.FixtureRequest) -> AsyncIterator[Snapshots]:
    """The port over nothing."""
    if request.param == "memory":
        memory = MemorySnapshots()
        memory.away = True
        yield memory
        return
    connection = RedisConnection("redis://127.0.0.1:1", client_name="contract")  # a port that nothing listens on
    yield RedisSnapshots(connection)
    await connection.close()


@pytest.fixture
def tenant() -> str:
    """One of whom nothing is written."""
    return f"contract-{uuid4().hex[:12]}"


def current(*versions: EventType) -> dict[str, EventType]:
    return {version.type: version for version in versions}


async def test_what_was_never_written_is_not_there(snapshots: Snapshots, tenant: str) -> None:
    assert await snapshots.read(tenant) is None


async def test_that_there_are_no_types_is_something_to_know(snapshots: Snapshots, tenant: str) -> None:
    await snapshots.write(tenant, {})
    assert await snapshots.read(tenant) == {}


async def test_what_was_written_is_read_as_it_was(snapshots: Snapshots, tenant: str) -> None:
    written = current(a_version(schema={"const": "é:1"}, key_path="/a", mode="warn"), a_version("a:b", version=12))
    await snapshots.write(tenant, written)
    assert await snapshots.read(tenant) == written


async def test_what_knows_of_more_versions_replaces_the_rest(snapshots: Snapshots, tenant: str) -> None:
    await snapshots.write(tenant, current(a_version(version=9)))
    newer = current(a_version(version=10))
    await snapshots.write(tenant, newer)
    assert await snapshots.read(tenant) == newer


async def test_a_late_reader_does_not_bring_back_what_was(snapshots: Snapshots, tenant: str) -> None:
    newer = current(a_version(version=10), a_version("order.sent"))
    await snapshots.write(tenant, newer)
    for older in (current(a_version(version=9), a_version("order.sent")), current(a_version(version=10)), {}):
        await snapshots.write(tenant, older)
        assert await snapshots.read(tenant) == newer


async def test_tenants_do_not_see_each_other(snapshots: Snapshots, tenant: str) -> None:
    await snapshots.write(tenant, current(a_version()))
    assert await snapshots.read(f"{tenant}-other") is None


async def test_away_is_the_same_as_unknown(absent: Snapshots, tenant: str) -> None:
    await absent.write(tenant, current(a_version()))
    assert await absent.read(tenant) is None
