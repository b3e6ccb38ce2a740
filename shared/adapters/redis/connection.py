"""One environment's connection to Redis or Valkey: quick or not at all."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import NoScriptError, RedisError

from shared.adapters.redis.scripts import Script
from shared.kit.idle import Idle

BOUND_SECONDS = 0.2
"""How long a question takes at most, with connecting, and connecting again where the connection was stale."""

_OPEN_SECONDS = 5.0  # how long an absent Redis is not asked again: each question would cost its timeout
_IDLE_SECONDS = 60.0  # of silence, after which a connection counts as dead; load balancers cut at 350 s

type Argument = str | bytes | int | float


class Away(Exception):
    """Redis did not answer in time, or has not for a while and was not asked."""


class RedisConnection:
    """A client that fails fast.

    redis-py by itself retries ten times with pauses, which turns an absent Redis into a minute of waiting; here a
    question has `bound_seconds` and each answer of the server half of it, a connection that was closed meanwhile is
    replaced once, and after failures Redis counts as away, for `away_seconds` at most. Questions that are asked at the
    same moment wait for one another.
    """

    def __init__(
        self,
        url: str,
        *,
        client_name: str,
        bound_seconds: float = BOUND_SECONDS,
        longest_seconds: float = 0.0,
        away_seconds: float = _OPEN_SECONDS,
        idle: Idle | None = None,
    ) -> None:
        """`longest_seconds` is how long a command may block in the server: nothing else can be asked meanwhile."""
        self._pool = ConnectionPool.from_url(
            url,
            socket_timeout=longest_seconds + bound_seconds / 2,
            socket_connect_timeout=bound_seconds / 2,
            retry=Retry(NoBackoff(), 0),
            client_name=client_name,
            protocol=2,  # spares the HELLO round trip of a new connection
            driver_info=None,  # spares two CLIENT SETINFO of a new connection
        )
        # An environment serves one request at a time. A connection from a pool for each command would cost 10 µs, and
        # 25 µs from the pool that blocks, of some 70 µs that a command costs in all.
        self._redis = Redis(connection_pool=self._pool, single_connection_client=True)
        self._bound_seconds = bound_seconds
        self._away_seconds = away_seconds
        self._away_until = 0.0
        self._failures = 0
        self._idle = idle or Idle(_IDLE_SECONDS)

    async def ask[T](self, command: Callable[[Redis], Awaitable[T]], *, blocking_seconds: float = 0.0) -> T:
        """What `command`, which may be done twice, gives. It may block in the server for `blocking_seconds`.

        Raises:
            Away: no answer in time.
        """
        if time.monotonic() < self._away_until:
            raise Away
        try:
            async with asyncio.timeout(blocking_seconds + self._bound_seconds):
                if self._idle.over():
                    await self._drop()
                found = await self._twice(command)
        except (RedisError, OSError, TimeoutError) as error:
            # One late answer may be an accident, and while nobody is asked duplicates are not seen: a tenth at first,
            # twice as long with every failure after it.
            self._failures += 1
            away = min(self._away_seconds, self._away_seconds / 10 * 2 ** (self._failures - 1))
            self._away_until = time.monotonic() + away
            raise Away from error
        self._failures = 0
        self._idle.touch()
        return found

    async def run(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """What `script`, which may be run twice, answers.

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
        """Whether `script`, which may be run twice, was run."""
        try:
            await self.run(script, keys, arguments)
        except Away:
            return False
        return True

    async def close(self) -> None:
        """Let go of the connection."""
        await self._redis.aclose(close_connection_pool=True)

    async def _twice[T](self, command: Callable[[Redis], Awaitable[T]]) -> T:
        try:
            return await command(self._redis)
        except (Disconnected, OSError, AttributeError):
            # redis-py has closed what it used; the next command opens it anew. A connection that was reset while the
            # loop had other work is an AttributeError: asyncio's `writelines` does not look whether it is still there.
            await self._drop_pipelines()
            return await command(self._redis)

    async def _drop(self) -> None:
        self._idle.touch()  # whoever asks at the same moment must not drop what is opened now
        if self._redis.connection is not None:
            # A peer that is gone says no goodbye: under TLS, waiting for it would take all the time there is.
            await self._redis.connection.disconnect(nowait=True)
        await self._drop_pipelines()

    async def _drop_pipelines(self) -> None:
        with contextlib.suppress(RedisError, OSError):
            await self._pool.disconnect(inuse_connections=False)
