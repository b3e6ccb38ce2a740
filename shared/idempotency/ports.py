"""Answers kept under the key of the request that they were for (draft-ietf-httpapi-idempotency-key-header-06)."""

import zlib
from typing import Protocol, Self

import msgspec

from shared.kit.clock import DAY_SECONDS

KEPT_SECONDS = DAY_SECONDS
"""How long an answer is kept."""

MAX_BYTES = 1 << 20
"""What an answer may take to be kept, deflated: ten of the largest batches' receipts."""


class Answer(msgspec.Struct, frozen=True):
    """An answer as it was sent: status, headers in lower case, body."""

    status: int
    headers: dict[str, str]
    body: bytes

    def packed(self) -> bytes | None:
        """In few bytes, for a place that keeps it; None where it takes more than `MAX_BYTES`."""
        found = zlib.compress(msgspec.msgpack.encode(self), 1)
        return found if len(found) <= MAX_BYTES else None

    @classmethod
    def unpacked(cls, packed: bytes) -> Self:
        """What was packed."""
        return msgspec.msgpack.decode(zlib.decompress(packed), type=cls)


class Begun(msgspec.Struct, frozen=True):
    """The key is new, and this request's own now."""


class InFlight(msgspec.Struct, frozen=True):
    """Another request with this key is still at work."""


class Mismatch(msgspec.Struct, frozen=True):
    """The key was used for another request."""


class Away(msgspec.Struct, frozen=True):
    """Nobody can say."""


type Beginning = Begun | InFlight | Mismatch | Away | Answer


class Answers(Protocol):
    """Where answers are kept, each tenant's apart."""

    async def begin(self, tenant: str, key: str, fingerprint: bytes) -> Beginning:
        """Claim `key` for the request with this fingerprint (32 bytes), or say what stands in the way.

        Atomic: of two that begin at the same moment one is `Begun`. A request that neither finishes nor abandons its
        key lets go of it after 30 s. A key that was finished cannot be claimed for a day. Never raises, bounded by
        200 ms.
        """
        ...

    async def finish(self, tenant: str, key: str, fingerprint: bytes, answer: Answer) -> bool:
        """Keep `answer` for a day. True when that is done.

        Not done: away, or an answer of more than `MAX_BYTES`, whose key is let go of at once. Never raises,
        bounded by 200 ms.
        """
        ...

    async def abandon(self, tenant: str, key: str, fingerprint: bytes) -> None:
        """Let go of `key`, unless it is finished or another request's: the same request may begin anew.

        Never raises, bounded by 200 ms.
        """
        ...
