"""One environment's connections to Redis or Valkey: quick or not at all."""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import NoScriptError, RedisError
from redis.exceptions import TimeoutError as Late

from shared.adapters.redis.scripts import Script
from shared.kit.idle import Idle

TIMEOUT_SECONDS = 0.1
_OPEN_SECONDS = 5.0  # how long an absent Redis is not asked again: each question would cost its timeout
_IDLE_SECONDS = 60.0  # of silence, after which a connection counts as dead; load balancers cut at 350 s

type Argument = str | bytes | int | float


class Away(Exception):
    """Redis did not answer in time, or has not for a while and was not asked."""


class RedisConnection:
    """A client that fails fast.

    redis-py by itself retries ten times with pauses, which turns an absent Redis into a minute of waiting; here a
    command has 100 ms, a connection that was closed meanwhile is replaced once, and after a failure Redis counts as
    away for 5 s.
    """

    def __init__(self, url: str, *, client_name: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._pool = BlockingConnectionPool.from_url(
            url,
            max_connections=4,
            timeout=TIMEOUT_SECONDS,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
            client_name=client_name,
            protocol=2,  # spares the HELLO round trip of a new connection
            driver_info=None,  # spares two CLIENT SETINFO of a new connection
        )
        self._redis = Redis(connection_pool=self._pool)
        self._idle = Idle(_IDLE_SECONDS)
        self._away_until = 0.0

    async def ask[T](self, command: Callable[[Redis], Awaitable[T]]) -> T:
        """What `command`, which can be repeated, gives.

        Raises:
            Away: no answer in time.
        """
        if time.monotonic() < self._away_until:
            raise Away
        if self._idle.over():
            await self._pool.disconnect()
        try:
            found = await self._twice(command)
        except (RedisError, OSError, TimeoutError) as error:
            self._away_until = time.monotonic() + _OPEN_SECONDS
            raise Away from error
        self._idle.touch()
        return found

    async def run(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """What `script`, which can be repeated, answers.

        Raises:
            Away: no answer in time.
        """

        async def evaluate(redis: Redis) -> Any:
            try:
                return await redis.evalsha(script.sha, len(keys), *keys, *arguments)
            except NoScriptError:  # a server that has not seen it yet, or was restarted
                return await redis.eval(script.text, len(keys), *keys, *arguments)

        return await self.ask(evaluate)

    async def done(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]) -> bool:
        """Whether `script`, which can be repeated, was run."""
        try:
            await self.run(script, keys, arguments)
        except Away:
            return False
        return True

    async def close(self) -> None:
        """Let go of the connections."""
        await self._redis.aclose(close_connection_pool=True)

    async def _twice[T](self, command: Callable[[Redis], Awaitable[T]]) -> T:
        try:
            return await command(self._redis)
        except Late:
            raise
        except (Disconnected, OSError):
            await self._pool.disconnect()
            return await command(self._redis)
