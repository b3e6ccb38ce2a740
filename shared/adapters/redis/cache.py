"""The cache port over Redis or Valkey."""

from shared.adapters.redis.connection import Away, RedisConnection


class RedisCache:
    """A Cache that fails open."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection

    async def get(self, key: str) -> bytes | None:
        try:
            value = await self._connection.ask(lambda redis: redis.get(key))
        except Away:
            return None
        return value.encode() if isinstance(value, str) else value

    async def put(self, key: str, value: bytes, *, ttl_seconds: int) -> None:
        try:
            await self._connection.ask(lambda redis: redis.set(key, value, ex=ttl_seconds))
        except Away:
            return
