"""The cache port in memory."""

import time


class MemoryCache:
    """A Cache over a dictionary. Set `away` to have it behave as one that cannot be reached."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[float, bytes]] = {}
        self.away = False

    async def get(self, key: str) -> bytes | None:
        expires, value = self._values.get(key, (0.0, b""))
        return None if self.away or time.monotonic() >= expires else value

    async def put(self, key: str, value: bytes, *, ttl_seconds: int) -> None:
        if not self.away:
            self._values[key] = (time.monotonic() + ttl_seconds, value)

    def drop(self, key: str) -> None:
        """Remove what is kept under `key`."""
        self._values.pop(key, None)
