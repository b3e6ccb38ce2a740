"""What Waiters promises, kept in memory and by Redis or Valkey."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import pytest

from shared.adapters.memory.admission import MemoryWaiters
from shared.adapters.redis.connection import RedisConnection
from shared.adapters.redis.waiters import RedisWaiters, blocking_connection
from shared.events.admission import Waiters
from tests.fixtures.valkey import PATIENCE_SECONDS

_SLACK_SECONDS = 2.0  # for a machine that has other things to do


@dataclass(frozen=True)
class Pair:
    """Whoever waits, and whoever tells, in two environments."""

    waiting: Waiters
    telling: Waiters


def over(url: str) -> tuple[RedisWaiters, list[RedisConnection]]:
    """Waiters over Redis, and what is to be closed."""
    connections = [
        RedisConnection(url, client_name="contract", bound_seconds=PATIENCE_SECONDS),
        blocking_connection(url, client_name="contract", bound_seconds=PATIENCE_SECONDS),
    ]
    return RedisWaiters(*connections), connections


@pytest.fixture
async def redis_pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    """Two environments over a real server."""
    url = request.getfixturevalue("endpoints").redis_url
    waiting, some = over(url)
    telling, others = over(url)
    yield Pair(waiting, telling)
    for connection in some + others:
        await connection.close()


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.parts)])
def pair(request: pytest.FixtureRequest) -> Pair:
    """Two environments."""
    if request.param == "memory":
        waiters = MemoryWaiters()
        return Pair(waiters, waiters)
    pair: Pair = request.getfixturevalue("redis_pair")
    return pair


@pytest.fixture
def waiter() -> str:
    """One that nobody else uses."""
    return uuid4().hex


async def test_what_was_told_before_counts(pair: Pair, waiter: str) -> None:
    keys = [uuid4() for _ in range(3)]
    await pair.telling.tell([(waiter, key) for key in keys])
    assert await pair.waiting.wait(waiter, keys, seconds=2) == set(keys)


async def test_several_tellings_add_up(pair: Pair, waiter: str) -> None:
    keys = [uuid4() for _ in range(4)]
    for key in keys:
        await pair.telling.tell([(waiter, key)])
    await pair.telling.tell([(waiter, keys[0])])
    assert await pair.waiting.wait(waiter, keys, seconds=2) == set(keys)


async def test_only_what_is_waited_for_is_found(pair: Pair, waiter: str) -> None:
    mine, missing = uuid4(), uuid4()
    await pair.telling.tell([(waiter, mine), (waiter, uuid4()), (f"{waiter}-other", missing)])
    assert await pair.waiting.wait(waiter, [mine, missing], seconds=0.3) == {mine}


async def test_many_waiters_are_told_at_once(pair: Pair) -> None:
    stored = [(uuid4().hex, uuid4()) for _ in range(300)]
    await pair.telling.tell(stored)
    for waiter, key in stored[::37]:
        assert await pair.waiting.wait(waiter, [key], seconds=2) == {key}


async def test_nothing_stored_is_nothing_told(pair: Pair, waiter: str) -> None:
    await pair.telling.tell([])
    assert await pair.waiting.wait(waiter, [], seconds=1) == set()
    assert await pair.waiting.wait(waiter, [uuid4()], seconds=0) == set()


@pytest.mark.parts
async def test_who_waits_is_told_at_once(redis_pair: Pair, waiter: str) -> None:
    keys = [uuid4(), uuid4()]
    waiting = asyncio.create_task(redis_pair.waiting.wait(waiter, keys, seconds=20))
    for key in keys:
        await asyncio.sleep(0.05)
        assert not waiting.done()
        await redis_pair.telling.tell([(waiter, key)])
    async with asyncio.timeout(_SLACK_SECONDS):
        assert await waiting == set(keys)


@pytest.mark.parts
@pytest.mark.parametrize("seconds", [0.01, 0.25, 1.0])
async def test_nobody_waits_longer_than_was_said(redis_pair: Pair, waiter: str, seconds: float) -> None:
    told, missing = uuid4(), uuid4()
    await redis_pair.telling.tell([(waiter, told)])
    began = time.monotonic()
    assert await redis_pair.waiting.wait(waiter, [told, missing], seconds=seconds) == {told}
    taken = time.monotonic() - began
    assert seconds - 0.15 < taken < seconds + _SLACK_SECONDS


async def test_away_nothing_was_told() -> None:
    waiters, connections = over("redis://127.0.0.1:1")  # a port that nothing listens on
    await waiters.tell([("waiter", uuid4())])
    began = time.monotonic()
    assert await waiters.wait("waiter", [uuid4()], seconds=20) == set()
    assert time.monotonic() - began < _SLACK_SECONDS
    for connection in connections:
        await connection.close()
