"""The cache over a real server, and over what only looks like one."""

import time
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from millrace_harness.parts.endpoints import Endpoints
from shared.adapters.redis.cache import RedisCache
from shared.adapters.redis.connection import RedisConnection
from tests.fixtures.network import gate

_SLACK_SECONDS = 2.0  # for a machine that has other things to do: what is told apart is a bound from a hang


async def test_a_cache_that_accepts_and_never_answers_costs_its_bound_once() -> None:
    async with gate() as silent:
        connection = RedisConnection(f"redis://{silent.address}", client_name="integration")
        cache = RedisCache(connection)
        began = time.monotonic()
        assert await cache.get("key") is None
        for _ in range(200):
            await cache.put("key", b"value", ttl_seconds=1)
            assert await cache.get("key") is None
        assert time.monotonic() - began < 0.2 + _SLACK_SECONDS
        await connection.close()


async def test_a_dead_port_costs_next_to_nothing() -> None:
    connection = RedisConnection("redis://127.0.0.1:1", client_name="integration")  # a port that nothing listens on
    cache = RedisCache(connection)
    began = time.monotonic()
    for _ in range(200):
        assert await cache.get("key") is None
    assert time.monotonic() - began < 0.1 + _SLACK_SECONDS
    await connection.close()


@pytest.mark.parts
async def test_a_value_is_kept_with_its_time_to_live(endpoints: Endpoints) -> None:
    key = f"test:{uuid4()}"
    connection = RedisConnection(endpoints.redis_url, client_name="integration")
    cache = RedisCache(connection)
    await cache.put(key, b"value", ttl_seconds=60)
    server = Redis.from_url(endpoints.redis_url)
    assert 0 < await server.ttl(key) <= 60
    await server.aclose()
    await connection.close()


@pytest.mark.parts
async def test_the_server_knows_a_connection_by_its_name(endpoints: Endpoints) -> None:
    name = f"integration-{uuid4().hex[:8]}"
    connection = RedisConnection(endpoints.redis_url, client_name=name)
    cache = RedisCache(connection)
    await cache.get("key")
    server = Redis.from_url(endpoints.redis_url)
    assert name in [client["name"] for client in await server.client_list()]
    await connection.close()
    assert name not in [client["name"] for client in await server.client_list()]
    await server.aclose()
