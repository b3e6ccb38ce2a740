"""The spool's backlog over Redis or Valkey."""

import struct
from collections.abc import Sequence
from zlib import crc32

from shared.adapters.redis.connection import Argument, Away, RedisConnection
from shared.adapters.redis.scripts import ENTER, LEAVE
from shared.kit.clock import DAY_SECONDS

_KEPT_SECONDS = 14 * DAY_SECONDS  # as long as the queue wakes the drain. A mark too many costs a way through the spool


class RedisBacklog:
    """A Backlog: a hash for each tenant, from a partition key to the newest object with events of it."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection

    async def enter(self, tenant: str, partition_keys: Sequence[str], *, spooled: str) -> bool:
        arguments: list[Argument] = [spooled, _KEPT_SECONDS, fields(partition_keys)]
        try:
            return bool(await self._connection.run(ENTER, [f"spooled:{{{tenant}}}"], arguments))
        except Away:
            return False

    async def leave(self, tenant: str, partition_keys: Sequence[str], *, spooled: str) -> bool:
        return await self._connection.done(LEAVE, [f"spooled:{{{tenant}}}"], [spooled, fields(partition_keys)])


def fields(partition_keys: Sequence[str]) -> bytes:
    """Four bytes a key. Two keys that share them wait for one another's events, which does no harm."""
    return struct.pack(f">{len(partition_keys)}I", *[crc32(key.encode()) for key in partition_keys])
