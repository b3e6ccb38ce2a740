"""Letting events in: within the tenant's quota, once, and not past older ones that still lie in the spool."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from shared.events.model import Position


class Quota(msgspec.Struct, frozen=True):
    """What a tenant may send: `events_per_second` for long, and up to `burst` at once."""

    events_per_second: int
    burst: int


class Entry(msgspec.Struct, frozen=True):
    """An event that asks to be let in: its key in storage, and the key that decides its order."""

    key: UUID
    partition_key: str


class Fresh(msgspec.Struct, frozen=True):
    """Not seen within the window, and claimed by whoever asked. `behind`: older events of its partition key are still
    in the spool. `received_at`: when it came first, where what became of it then was not known."""

    behind: bool = False
    received_at: datetime | None = None


class Known(msgspec.Struct, frozen=True):
    """Acknowledged before. `position` is the original receipt's, None where that said `spooled`."""

    position: Position | None


class Claimed(msgspec.Struct, frozen=True):
    """Somebody else is sending the same event at this moment: what becomes of it is not known yet."""


class Throttled(msgspec.Struct, frozen=True):
    """Over the quota. Nothing was claimed."""

    retry_after_seconds: int


type Verdict = Fresh | Known | Claimed | Throttled


class Allowance(msgspec.Struct, frozen=True):
    """What is left of a quota: `remaining` events now, all of the burst again in `reset_seconds`."""

    quota: Quota
    remaining: int
    reset_seconds: int


class Admitted(msgspec.Struct, frozen=True):
    """A verdict for each entry, in the order given. `degraded`: nobody could be asked, so none is known or claimed."""

    verdicts: list[Verdict]
    allowance: Allowance
    degraded: bool = False


class Settled(msgspec.Struct, frozen=True):
    """The receipt of an event that was claimed: kept for `window_seconds`. `position` None: it is in the spool."""

    key: UUID
    position: Position | None
    window_seconds: int


class Unknown(msgspec.Struct, frozen=True):
    """An event that was claimed, and may or may not be in the log or the spool, received at this moment."""

    key: UUID
    received_at: datetime


class Admission(Protocol):
    """Quota, deduplication and the order behind the spool, in one question for a whole batch."""

    async def admit(self, tenant: str, entries: Sequence[Entry], *, claim: str, counted: bool = True) -> Admitted:
        """A verdict for each of `entries`, whose keys differ from one another.

        One round trip. The quota is taken from the front: once an entry is throttled all after it are. Atomic: of two
        that ask for the same key at the same moment one gets `Fresh` and the other `Claimed`. A claim whose holder
        never settles it lapses after some 10 s. `claim` names the holder; asking again under the same name for what it
        holds gives `Fresh` again and takes nothing from the quota, so a question can be repeated. Not `counted`, no
        entry takes anything. Never raises, bounded by 200 ms: away, a quota is kept by this environment alone, and all
        that it allows is `Fresh`.
        """
        ...

    async def settle(
        self,
        tenant: str,
        settled: Sequence[Settled],
        released: Sequence[UUID],
        *,
        claim: str,
        unknown: Sequence[Unknown] = (),
    ) -> bool:
        """Keep the receipts of `settled`, and let go of the claims on the others, as far as `claim` still holds them.

        Whoever asks for one of `unknown` within a day is told when it was received: sent again after midnight it must
        meet the row of the day before. One round trip. True when that is done. Never raises, bounded by 200 ms.
        """
        ...


class Backlog(Protocol):
    """Which partition keys have events in the spool. `Admission.admit` reads what is written here."""

    async def enter(self, tenant: str, partition_keys: Sequence[str], *, spooled: str) -> bool:
        """Mark each key as having its newest spooled event in the object `spooled`. True when that is done.

        A key with a newer object's mark keeps it, and the answer is False: that object was put earlier by a clock that
        is ahead, and comes to the log later. Never raises, bounded by 200 ms. Marks lapse when none was made for the
        tenant for 14 days.
        """
        ...

    async def leave(self, tenant: str, partition_keys: Sequence[str], *, spooled: str) -> bool:
        """Take the marks away of those keys whose newest spooled event was in `spooled`: it is in the log now.

        Repeatable. True when that is done. Never raises, bounded by 200 ms.
        """
        ...


class Waiters(Protocol):
    """How a request that waits for rows learns that they are there."""

    async def tell(self, stored: Sequence[tuple[str, UUID]]) -> None:
        """Tell each waiter of the keys of its events that are stored. One round trip; never raises; at most 200 ms."""
        ...

    async def wait(self, waiter: str, keys: Sequence[UUID], *, seconds: float) -> set[UUID]:
        """Those of `keys` that the waiter was told of, as soon as it is all of them, or when `seconds` are over.

        Told before the wait began counts, up to a minute before. Never raises: away, nothing was told.
        """
        ...
