"""Kept answers over Redis or Valkey."""

import hashlib
import zlib
from typing import Any

import msgspec

from shared.adapters.redis.connection import Away, RedisConnection
from shared.idempotency import ports
from shared.idempotency.ports import KEPT_SECONDS, Answer, Beginning, Begun, InFlight, Mismatch

_IN_FLIGHT_SECONDS = 60  # longer than a function may work
_FINGERPRINT_BYTES = 32
_WORKING, _DONE = b"w", b"d"


class RedisAnswers:
    """Answers. A value is a letter, the fingerprint, and once there is one the answer, deflated: 1,000 receipts are
    some 100 kB, and a fifth of that when deflated."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection

    async def begin(self, tenant: str, key: str, fingerprint: bytes) -> Beginning:
        name, marker = _name(tenant, key), _WORKING + fingerprint
        try:
            value: Any = await self._connection.ask(
                lambda redis: redis.set(name, marker, nx=True, ex=_IN_FLIGHT_SECONDS, get=True)
            )
        except Away:
            return ports.Away()
        if value is None:
            return Begun()
        held = bytes(value)
        if held[1 : 1 + _FINGERPRINT_BYTES] != fingerprint:
            return Mismatch()
        if held[:1] == _WORKING:
            return InFlight()
        return msgspec.msgpack.decode(zlib.decompress(held[1 + _FINGERPRINT_BYTES :]), type=Answer)

    async def finish(self, tenant: str, key: str, fingerprint: bytes, answer: Answer) -> bool:
        value = _DONE + fingerprint + zlib.compress(msgspec.msgpack.encode(answer), 1)
        try:
            await self._connection.ask(lambda redis: redis.set(_name(tenant, key), value, ex=KEPT_SECONDS))
        except Away:
            return False
        return True

    async def abandon(self, tenant: str, key: str) -> None:
        try:
            await self._connection.ask(lambda redis: redis.delete(_name(tenant, key)))
        except Away:
            return


def _name(tenant: str, key: str) -> str:
    # The digest keeps strangers' bytes out of keys.
    return f"answer:{{{tenant}}}:{hashlib.sha256(key.encode()).hexdigest()}"
