"""What Cache promises, kept by the cache in memory and by Redis or Valkey."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from shared.adapters.memory.cache import MemoryCache
from shared.adapters.redis.cache import RedisCache
from shared.adapters.redis.connection import RedisConnection
from shared.events.ports import Cache
from tests.fixtures.valkey import PATIENCE_SECONDS


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.parts)])
async def cache(request: pytest.FixtureRequest) -> AsyncIterator[Cache]:
    """The port over something that answers."""
    if request.param == "memory":
        yield MemoryCache()
        return
    connection = RedisConnection(
        request.getfixturevalue("endpoints").redis_url, client_name="contract", bound_seconds=PATIENCE_SECONDS
    )
    redis = RedisCache(connection)
    yield redis
    await connection.close()


@pytest.fixture(params=["memory", "redis"])
async def absent(request: pytest.FixtureRequest) -> AsyncIterator[Cache]:
    """The port over nothing."""
    if request.param == "memory":
        memory = MemoryCache()
        memory.away = True
        yield memory
        return
    connection = RedisConnection("redis://127.0.0.1:1", client_name="contract")  # a port that nothing listens on
    redis = RedisCache(connection)
    yield redis
    await connection.close()


@pytest.fixture
def key() -> str:
    """One that nobody else uses."""
    return f"test:{{contract}}:{uuid4()}"


@pytest.mark.parametrize("value", [b"bytes", b"", b"\x00\xff", "é".encode(), b"x" * 300_000])
async def test_what_was_put_is_given_byte_for_byte(cache: Cache, key: str, value: bytes) -> None:
    await cache.put(key, value, ttl_seconds=60)
    assert await cache.get(key) == value


async def test_what_was_never_put_is_not_there(cache: Cache, key: str) -> None:
    assert await cache.get(key) is None


async def test_the_last_value_counts(cache: Cache, key: str) -> None:
    await cache.put(key, b"first", ttl_seconds=60)
    await cache.put(key, b"second", ttl_seconds=60)
    assert await cache.get(key) == b"second"


async def test_a_value_does_not_outlive_its_time(cache: Cache, key: str) -> None:
    await cache.put(key, b"value", ttl_seconds=1)
    for _ in range(100):
        if await cache.get(key) is None:
            break
        await asyncio.sleep(0.1)
    assert await cache.get(key) is None


async def test_away_is_the_same_as_empty(absent: Cache, key: str) -> None:
    await absent.put(key, b"value", ttl_seconds=60)
    assert await absent.get(key) is None
    assert await absent.get(key) is None
