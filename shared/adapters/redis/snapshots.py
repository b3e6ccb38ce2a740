"""Snapshots of event types over Redis or Valkey."""

from collections.abc import Mapping
from typing import Any

import msgspec

from shared.adapters.redis.connection import Away, RedisConnection
from shared.adapters.redis.scripts import SNAPSHOT
from shared.eventtypes.model import EventType

# A change is written here at once. The bound is for the one that could not be, because Redis was away at that moment.
_KEPT_SECONDS = 15
_DECODER = msgspec.json.Decoder(dict[str, EventType])


class RedisSnapshots:
    """Snapshots. A value begins with how many versions it knows of: a late replica's must not replace a newer one."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection

    async def read(self, tenant: str) -> Mapping[str, EventType] | None:
        try:
            value: Any = await self._connection.ask(lambda redis: redis.get(_key(tenant)))
        except Away:
            return None
        if value is None:
            return None
        try:
            return _DECODER.decode(bytes(value).partition(b":")[2])
        except msgspec.DecodeError:
            return None  # of an older or newer version of this code: the store knows

    async def write(self, tenant: str, current: Mapping[str, EventType]) -> None:
        total = sum(version.version for version in current.values())
        value = b"%d:" % total + msgspec.json.encode(current)
        try:
            await self._connection.run(SNAPSHOT, [_key(tenant)], [total, value, _KEPT_SECONDS])
        except Away:
            return


def _key(tenant: str) -> str:
    return f"types:{{{tenant}}}"
