"""Cached answers and receipts of events, removed from Redis or Valkey."""

from collections.abc import Sequence

from shared.adapters.redis.connection import Away, RedisConnection
from shared.events.query import cache_key
from shared.jobs.ports import RowName
from shared.kit.errors import Unavailable


class RedisTraces:
    """A Traces. All keys of a tenant lie in one slot of a cluster, so one command removes them."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection

    async def forget(self, tenant: str, rows: Sequence[RowName]) -> None:
        if not rows:
            return
        answers = [cache_key(tenant, row.id, source).encode() for row in rows for source in (row.source, None)]
        receipts = [f"dedup:{{{tenant}}}:".encode() + row.key.bytes for row in rows]
        try:
            await self._connection.ask(lambda redis: redis.unlink(*answers, *receipts))
        except Away as error:
            raise Unavailable("Redis does not answer.", retry_after_seconds=2) from error
