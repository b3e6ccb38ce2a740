"""What the domain asks of the outside, as promises: each kept by a real adapter and a twin in memory."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from shared.events.model import Appended, Event, LogRecord, NotAppended, Outcome, StoredEvent


class EventLog(Protocol):
    """The log that events are appended to."""

    async def append(self, events: Sequence[Event], *, within: float | None = None) -> list[Appended | NotAppended]:
        """Append `events`, and answer for each, in the order given.

        Durable: `Appended` means that every in-sync replica has it. Ordered: events of one tenant and partition key
        land in one partition in the order given. Repeatable: appending an event again adds a record, and storage
        keeps one row. Bounded: returns within the log's own limit (about 2 s), or within `within` seconds where
        that is less, even while no broker answers, and never raises for that: the events are `NotAppended`.
        """
        ...

    async def check(self) -> None:
        """Ask the log for a sign of life within 1 s.

        Raises:
            Unavailable: no broker answered.
        """
        ...


class Refused(msgspec.Struct, frozen=True):
    """Nothing was stored. Why storage refuses records for their own sake, by their places in the batch.

    A reason names what is at fault and the refusal's code, and never repeats the record. The search may have to end
    early: of the first `searched` records every one at fault is named, of the others some may be.
    """

    reasons: dict[int, str]
    searched: int


class EventStore(Protocol):
    """Where events are kept."""

    async def store(self, records: Sequence[LogRecord]) -> list[Outcome] | Refused:
        """Store a batch in one statement and one transaction, and answer for each record, in the order given.

        `STORED` and `DUPLICATE` are durable when this returns, and each event that is stored is counted once, in the
        same transaction. An event that is already there, or that stands twice in the batch, is a `DUPLICATE`. When
        storage is away, nothing of the batch is stored and every record is `UNAVAILABLE`. Where storage refuses records
        for their own sake, nothing is stored either, and the answer is which. Repeatable: storing a batch again changes
        nothing.
        """
        ...

    async def examine(self, records: Sequence[LogRecord]) -> dict[int, str]:
        """Which of `records` storage would refuse, and why, as far as a question shows it. Nothing is stored.

        Raises:
            Unavailable: storage is away.
        """
        ...


class EventFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which events a page may hold. `since` is inclusive, `until` exclusive; both are `received_at`."""

    type: str | None = None
    source: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class Keyset(msgspec.Struct, frozen=True):
    """The last row of a page: the next one starts beyond it."""

    received_at: datetime
    key: str


class EventReader(Protocol):
    """Storage as readers see it: a replica that may lag behind the store by a little."""

    async def by_id(self, tenant: str, id_: str, source: str | None) -> list[StoredEvent]:
        """The tenant's events with this id, newest first, at most 10: several if sources share it and `source` is None.

        Raises:
            Unavailable: the replica did not answer in time.
        """
        ...

    async def page(
        self, tenant: str, where: EventFilter, *, after: Keyset | None, limit: int, descending: bool
    ) -> list[StoredEvent]:
        """Up to `limit` of the tenant's events in order of (received_at, key), beyond `after`.

        Raises:
            Unavailable: the replica did not answer in time.
        """
        ...

    async def dead(self, tenant: str, id_: str, source: str | None) -> list[UUID]:
        """The dead letters of the tenant's events with this id that are still dead, the last first, at most 10.

        Raises:
            Unavailable: the replica did not answer in time.
        """
        ...


class Cache(Protocol):
    """Bytes kept for a while under a typed key. It fails open: away is the same as empty."""

    async def get(self, key: str) -> bytes | None:
        """The bytes under `key`, or None: not there, expired, or the cache is away. Never raises, bounded by 100 ms."""
        ...

    async def put(self, key: str, value: bytes, *, ttl_seconds: int) -> None:
        """Keep `value` for up to `ttl_seconds`, if the cache is there. Never raises, bounded by 100 ms."""
        ...
