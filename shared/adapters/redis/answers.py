"""Kept answers over Redis or Valkey."""

import hashlib
import secrets
from typing import Any

from shared.adapters.redis.connection import Away, RedisConnection
from shared.adapters.redis.scripts import ABANDON
from shared.idempotency import ports
from shared.idempotency.ports import KEPT_SECONDS, Answer, Beginning, Begun, InFlight, Mismatch

_IN_FLIGHT_SECONDS = 30  # longer than API Gateway waits for a function
_WORKING, _DONE = b"w", b"d"
_HEAD = 1 + 32  # the letter, and a fingerprint


class RedisAnswers:
    """Answers. A value is a letter and the fingerprint, and then who works on it, or the answer, deflated: 1,000
    receipts are some 100 kB, and a fifth of that when deflated."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection

    async def begin(self, tenant: str, key: str, fingerprint: bytes) -> Beginning:
        # Asked twice because the answer was lost on the way, it is its own mark that stands there.
        mark = _WORKING + fingerprint + secrets.token_bytes(8)
        name = _name(tenant, key)
        try:
            value: Any = await self._connection.ask(
                lambda redis: redis.set(name, mark, nx=True, ex=_IN_FLIGHT_SECONDS, get=True)
            )
        except Away:
            return ports.Away()
        if value is None or value == mark:
            return Begun()
        if value[1:_HEAD] != fingerprint:
            return Mismatch()
        if value[:1] == _WORKING:
            return InFlight()
        return Answer.unpacked(value[_HEAD:])

    async def finish(self, tenant: str, key: str, fingerprint: bytes, answer: Answer) -> bool:
        packed = answer.packed()
        if packed is None:
            await self.abandon(tenant, key, fingerprint)
            return False
        value = _DONE + fingerprint + packed
        try:
            await self._connection.ask(lambda redis: redis.set(_name(tenant, key), value, ex=KEPT_SECONDS))
        except Away:
            return False
        return True

    async def abandon(self, tenant: str, key: str, fingerprint: bytes) -> None:
        await self._connection.done(ABANDON, [_name(tenant, key)], [_WORKING + fingerprint])


def _name(tenant: str, key: str) -> str:
    # The digest keeps strangers' bytes out of keys.
    return f"answer:{{{tenant}}}:{hashlib.sha256(key.encode()).hexdigest()}"
