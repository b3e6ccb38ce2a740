"""Work that outlives one Lambda: what was asked, how far it is, and what it will do next."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

MAX_RATE = 10_000
"""Events a second, at most. The log takes more, but whoever stores them takes what is new besides."""


class Kind(StrEnum):
    """What there is to do."""

    REDRIVE = "redrive"
    DISCARD = "discard"
    REPLAY = "replay"
    ERASURE = "erasure"


class State(StrEnum):
    """Where a job stands. `QUEUED` and `RUNNING` are woken; `PAUSED` and `FAILED` can be resumed."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    DONE = "done"
    FAILED = "failed"


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """What is done next, as one piece: written down before it is begun, so that whoever comes after a kill can end it.

    `intent` names the items and where to look whether they are done; `cursor` is where the job stands afterwards;
    `looked` is how many items of the total it takes. `again_at`: nobody looks what became of it before, since what was
    sent may still arrive.
    """

    intent: dict[str, Any]
    cursor: dict[str, Any]
    looked: int
    again_at: datetime | None = None


class Progress(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far a job is.

    `looked` of `total` items were looked at (None: nobody counted). Of those that are the tenant's, `done` were done
    (or would be, in a dry run), `skipped` needed nothing and `failed` cannot be done. `seconds` are those of work,
    pacing included and pauses not. `chunk` is what was begun and is not known to have ended. `result` is the kind's
    own.
    """

    total: int | None = None
    looked: int = 0
    done: int = 0
    skipped: int = 0
    failed: int = 0
    seconds: float = 0.0
    cursor: dict[str, Any] | None = None
    chunk: Chunk | None = None
    result: dict[str, Any] = msgspec.field(default_factory=dict)
    message: str | None = None

    @property
    def per_second(self) -> float | None:
        """Items a second, as seen until now."""
        return self.looked / self.seconds if self.looked and self.seconds else None

    @property
    def seconds_left(self) -> float | None:
        """An estimate, from the rate seen until now."""
        if self.total is None or self.per_second is None:
            return None
        return max(0, self.total - self.looked) / self.per_second


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One job of a tenant. `id` is a UUID of version 7, so ids are in the order of `created_at`.

    `spec` is what was asked, with `rate` (events a second) and `dry_run`. `due_at` is when it goes on. `stalls` is how
    many steps were begun since the last one that got anywhere.
    """

    id: UUID
    tenant: str
    kind: Kind
    state: State
    spec: dict[str, Any]
    created_at: datetime
    created_by: str
    changed_at: datetime
    due_at: datetime
    progress: Progress = Progress()
    stalls: int = 0

    @property
    def rate(self) -> int:
        """Events a second that it may move."""
        return int(self.spec.get("rate") or MAX_RATE)

    @property
    def is_wanting(self) -> bool:
        """Whether there is something to be done: where it was stopped, what it had begun."""
        begun = self.progress.chunk is not None and self.state in (State.PAUSED, State.CANCELLED)
        return begun or self.state in (State.QUEUED, State.RUNNING)

    @property
    def is_dry(self) -> bool:
        """Whether it only counts."""
        return bool(self.spec.get("dry_run"))


def plain(value: object) -> dict[str, Any]:
    """A struct as JSON's own types, as progress and specs hold it."""
    found = msgspec.to_builtins(value, str_keys=True)
    assert isinstance(found, dict)
    return found


def read[T](held: dict[str, Any] | None, kind: type[T]) -> T:
    """What `plain` made of a struct of `kind`."""
    return msgspec.convert(held or {}, kind, str_keys=True)
