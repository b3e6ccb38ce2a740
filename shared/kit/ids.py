"""Identifiers: time-ordered where we mint them, derived where the sender did (RFC 9562)."""

import hashlib
import secrets
from datetime import datetime
from uuid import UUID

_VARIANT = 0b10 << 62


def uuid7(moment: datetime) -> UUID:
    """A UUID of version 7 for `moment` (aware): 48 bits of Unix milliseconds, then 74 random bits (RFC 9562, 5.7)."""
    milliseconds = int(moment.timestamp() * 1000)
    random = secrets.randbits(74)
    high = (milliseconds << 16) | (7 << 12) | (random >> 62)
    return UUID(int=(high << 64) | _VARIANT | (random & ((1 << 62) - 1)))


def uuid8(*parts: str) -> UUID:
    """A UUID of version 8 that is the same for the same `parts`: 122 bits of their SHA-256 (RFC 9562, 5.8).

    Each part is preceded by its length, so ("a", "bc") and ("ab", "c") differ.
    """
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(4, "big") + encoded)
    bits = int.from_bytes(digest.digest()[:16], "big") >> 6
    high, low = bits >> 62, bits & ((1 << 62) - 1)
    return UUID(int=((((high >> 12) << 16) | (8 << 12) | (high & 0xFFF)) << 64) | _VARIANT | low)


class Ascending:
    """UUIDs of version 7 that ascend in the order in which they are asked for, also within one millisecond."""

    def __init__(self) -> None:
        self._last = 0

    def following(self, moment: datetime) -> UUID:
        """One for `moment`, or just after the last one."""
        self._last = max(uuid7(moment).int, self._last + 1)
        return UUID(int=self._last)
