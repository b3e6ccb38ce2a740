"""The cache port over Redis or Valkey: quick or not at all."""

import time

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

_TIMEOUT_SECONDS = 0.1
_OPEN_SECONDS = 5.0  # how long an absent cache is not asked again: each question would cost its timeout


class RedisCache:
    """A Cache that fails open.

    redis-py by itself retries ten times with pauses, which turns an absent cache into a minute of waiting; here a
    command has 100 ms, no retry, and after a failure the cache counts as away for 5 s.
    """

    def __init__(self, url: str, *, client_name: str) -> None:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=4,
            timeout=_TIMEOUT_SECONDS,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
            client_name=client_name,
            protocol=2,  # spares the HELLO round trip of a new connection
            driver_info=None,  # spares two CLIENT SETINFO of a new connection
        )
        self._redis = Redis(connection_pool=pool)
        self._away_until = 0.0

    async def get(self, key: str) -> bytes | None:
        if time.monotonic() < self._away_until:
            return None
        try:
            value = await self._redis.get(key)
        except (RedisError, OSError, TimeoutError):
            self._away()
            return None
        return value.encode() if isinstance(value, str) else value

    async def put(self, key: str, value: bytes, *, ttl_seconds: int) -> None:
        if time.monotonic() < self._away_until:
            return
        try:
            await self._redis.set(key, value, ex=ttl_seconds)
        except (RedisError, OSError, TimeoutError):
            self._away()

    async def close(self) -> None:
        """Let go of the connections."""
        await self._redis.aclose(close_connection_pool=True)

    def _away(self) -> None:
        self._away_until = time.monotonic() + _OPEN_SECONDS
