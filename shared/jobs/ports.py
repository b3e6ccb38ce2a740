"""What jobs ask of the outside."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

import msgspec

from shared.events.model import Event, Position, RawRecord
from shared.events.ports import EventFilter, Keyset
from shared.jobs.model import Job, State


class JobStore(Protocol):
    """Jobs by their id. Every method raises `Unavailable` when the store is away; then nothing was changed, or all."""

    async def create(self, job: Job) -> None:
        """Keep a new job. Repeatable: one that is there already stays as it is."""
        ...

    async def get(self, tenant: str, id_: UUID) -> Job | None:
        """One job of the tenant."""
        ...

    async def page(self, tenant: str, *, before: UUID | None, limit: int) -> list[Job]:
        """Up to `limit` jobs of the tenant made before the job `before`, the newest first."""
        ...

    async def steer(self, tenant: str, id_: UUID, to: State, *, since: Collection[State]) -> Job | None:
        """Take a job that is in one of the states `since` to `to`, and give it; None where there is none such.

        A step that is at work hears of it at its next `commit`. What becomes `QUEUED` is due at once.
        """
        ...

    async def claim(self, id_: UUID, lease: UUID, *, seconds: float) -> Job | None:
        """Have the job for `seconds`, under a `lease` of one's own that nobody had before.

        None where there is nothing to do: it is over, paused or cancelled, or somebody has it. A job that was paused or
        cancelled with a chunk begun is given all the same: that chunk is to be ended. One that was queued is running
        now. Counts one more of `stalls`.
        """
        ...

    async def commit(self, job: Job, lease: UUID) -> State:
        """Keep `job` as it is given, and say in which state it is now.

        Somebody who paused or cancelled it meanwhile is not overruled: then that is the state, and `spec` stays as it
        was: it is what the job still needs. All the rest is kept as given.

        Raises:
            Superseded: the lease is another's. Nothing was kept.
        """
        ...

    async def release(self, id_: UUID, lease: UUID, *, due_at: datetime) -> None:
        """Let go of the job, which goes on at `due_at`. Nothing happens where the lease is another's."""
        ...

    async def overdue(self, *, seconds: float, limit: int) -> list[UUID]:
        """Jobs that `claim` would give and that were due `seconds` ago or longer: nobody has woken them."""
        ...


class Superseded(Exception):
    """Somebody else has the job now."""


class Wake(Protocol):
    """Has a step begun."""

    async def wake(self, job: UUID, *, after: float) -> None:
        """Begin a step of `job` in `after` seconds, rounded up to whole ones, at most 900. It may be begun twice.

        Raises:
            Unavailable: nobody was told.
        """
        ...


READ_BYTES = 4 * 1024 * 1024
"""Of what is read at once: a function has little memory, and 2 s to append it again."""


class Span(msgspec.Struct, frozen=True):
    """Records that were read, and where each partition goes on."""

    records: list[RawRecord]
    next: dict[int, int]


class LogReader(Protocol):
    """A topic, read by offsets and without a group. Every method raises `Unavailable` when no broker answers in time.

    The order of records is the log's within a partition, and none between partitions. A record's time is that of its
    append. An event may have been received long before (it was spooled, or is redriven), and never after, but for how
    far clocks are apart.
    """

    async def starts(self) -> dict[int, int]:
        """The first offset that each partition still has."""
        ...

    async def ends(self) -> dict[int, int]:
        """The offset after the last record that is readable, for each partition."""
        ...

    async def since(self, moment: datetime) -> dict[int, int]:
        """For each partition the offset of the first record appended at `moment` or later; its end without one.

        So no event is passed over that was received at `moment` or later. Others, received before, may lie behind.
        """
        ...

    async def read(
        self, start: Mapping[int, int], end: Mapping[int, int], *, records: int, size: int = READ_BYTES
    ) -> Span:
        """Up to `records` records from `start` on and before `end`, those of each partition in order.

        Their values are at most `size` bytes together, but the first of them passes however large it is.

        Raises:
            NotFound: the log does not have the first of them any more.
        """
        ...


class Consumers(Protocol):
    """How far those are who read a topic."""

    async def behind(self, ends: Mapping[int, int]) -> int:
        """How many records before `ends` have not been committed by the group.

        Raises:
            Unavailable: no broker answered in time.
        """
        ...


class Erasures(Protocol):
    """Subjects that were erased. Raises `Unavailable` when the store is away. No subject is kept, but a keyed hash."""

    async def note(self, tenant: str, subject: str, asked_at: datetime, job: UUID) -> None:
        """From now on `subject` is erased, as far as its events were received at `asked_at` or before. Repeatable."""
        ...

    async def asked(self, tenant: str, subjects: Sequence[str]) -> dict[str, datetime]:
        """Of at most 1,000 `subjects` those that were erased, with the last moment up to which."""
        ...

    def digest(self, tenant: str, subject: str) -> str:
        """What is kept of a subject: 64 hexadecimal digits."""
        ...


class Rows(Protocol):
    """What storage has, asked of the writer. Every method raises `Unavailable` when the store is away."""

    async def missing(self, events: Sequence[Event]) -> set[UUID]:
        """The keys of those of at most 1,000 `events` that have no row."""
        ...

    async def places(self, events: Sequence[Event]) -> dict[tuple[date, UUID], Position]:
        """Where in the log those of at most 1,000 `events` that have a row were stored from, by their day and key."""
        ...

    async def counted(self, tenant: str, where: EventFilter) -> int | None:
        """How many rows `where` fits, to the minute; None where only reading them all would tell."""
        ...


class RowName(msgspec.Struct, frozen=True, kw_only=True):
    """A row of an event: its identity in storage, and what answers about it are kept under."""

    day: date
    key: UUID
    id: str
    source: str


class Found(msgspec.Struct, frozen=True):
    """Rows of a subject among those that were looked at, up to the row `after`; None: there are no more."""

    rows: list[RowName]
    looked: int
    after: Keyset | None


class Remains(Protocol):
    """What storage has of a subject. Every method raises `Unavailable` when the store is away.

    `until` is the moment up to which events are meant, by their received time.
    """

    async def rows(self, tenant: str, subject: str, until: datetime, *, after: Keyset | None, limit: int) -> Found:
        """Up to `limit` rows of events, beyond `after`, of a bounded number that are looked at."""
        ...

    async def remove_rows(self, tenant: str, subject: str, rows: Sequence[RowName]) -> None:
        """Remove those of at most 1,000 rows that are the subject's, and take them out of the counts. Repeatable."""
        ...

    async def letters(self, tenant: str, subject: str, until: datetime, *, limit: int) -> list[UUID]:
        """Up to `limit` dead letters that are the subject's, or were before they were edited.

        A letter is meant if its event was received by then, however late its record came into the log; where its bytes
        do not tell, the record's own time counts.
        """
        ...

    async def remove_letters(self, tenant: str, letters: Sequence[UUID]) -> None:
        """Remove at most 1,000 letters with their edits. Repeatable."""
        ...

    async def unname(self, tenant: str, subject: str, digest: str, *, before: UUID) -> None:
        """Put `digest` for the subject in what was asked of jobs older than `before` that are not at work. Repeatable.

        All else that was asked stays, so nothing comes to mean more than it did. What could be resumed is cancelled:
        nobody can do any more what it was asked.
        """
        ...

    async def naming(self, tenant: str, subject: str, *, before: UUID) -> int:
        """How many jobs older than `before` name the subject."""
        ...


class Traces(Protocol):
    """What is kept of events beside storage, for a while."""

    async def forget(self, tenant: str, rows: Sequence[RowName]) -> None:
        """Remove cached answers and receipts of at most 1,000 rows. Repeatable.

        Raises:
            Unavailable: some may still be there.
        """
        ...
