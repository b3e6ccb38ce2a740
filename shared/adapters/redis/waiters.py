"""Waiters over Redis or Valkey: a list for each request that waits."""

import time
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID

from redis.asyncio import Redis

from shared.adapters.redis.connection import BOUND_SECONDS, Away, RedisConnection

_KEPT_SECONDS = 60
_LONGEST_SECONDS = 25.0
_LATE_SECONDS = 0.1  # the server looks ten times a second for clients that have waited long enough
_SHORTEST_SECONDS = 0.001  # 0 is for ever


def blocking_connection(url: str, *, client_name: str, bound_seconds: float = BOUND_SECONDS) -> RedisConnection:
    """A connection for commands that block: they must not end after the 100 ms of all others."""
    return RedisConnection(url, client_name=client_name, bound_seconds=bound_seconds, longest_seconds=_LONGEST_SECONDS)


class RedisWaiters:
    """Waiters. An element of a list is all that one batch of the consumer stored: 16 bytes an event."""

    def __init__(self, connection: RedisConnection, blocking: RedisConnection) -> None:
        self._connection = connection
        self._blocking = blocking

    async def tell(self, stored: Sequence[tuple[str, UUID]]) -> None:
        if not stored:
            return
        told: dict[str, list[bytes]] = defaultdict(list)
        for waiter, key in stored:
            told[waiter].append(key.bytes)

        async def push(redis: Redis) -> None:
            async with redis.pipeline(transaction=False) as pipeline:
                for waiter, keys in told.items():
                    pipeline.rpush(f"wait:{{{waiter}}}", b"".join(keys))
                    pipeline.expire(f"wait:{{{waiter}}}", _KEPT_SECONDS)
                await pipeline.execute()

        try:
            await self._connection.ask(push)
        except Away:
            return

    async def wait(self, waiter: str, keys: Sequence[UUID], *, seconds: float) -> set[UUID]:
        missing, found = set(keys), set[UUID]()
        until = time.monotonic() + min(seconds, _LONGEST_SECONDS)
        while missing and (left := until - time.monotonic()) > 0:
            try:
                told = await self._blocking.ask(partial(_pop, waiter, left), blocking_seconds=left)
            except Away:
                return found
            if told is None:
                return found
            news = {UUID(bytes=told[1][at : at + 16]) for at in range(0, len(told[1]), 16)}
            found |= news & missing
            missing -= news
        return found


async def _pop(waiter: str, seconds: float, redis: Redis) -> Any:
    return await redis.blpop([f"wait:{{{waiter}}}"], max(seconds - _LATE_SECONDS, _SHORTEST_SECONDS))
