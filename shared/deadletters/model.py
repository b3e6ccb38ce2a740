"""Dead letters as people see them: found, mended, sent on their way again or given up."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from shared.events.dead import DeadLetter


class State(StrEnum):
    """Where a letter stands. Only one that is `DEAD` can be edited, redriven or discarded."""

    DEAD = "dead"
    REDRIVEN = "redriven"
    DISCARDED = "discarded"


class Scope(msgspec.Struct, frozen=True):
    """Whose letters: the tenant's, and with `orphans` also those of which nobody can tell whose they are."""

    tenant: str
    orphans: bool = False


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """One change to what would be redriven: who made it when and why, and the bytes that it put there."""

    at: datetime
    by: str
    why: str
    value: bytes


class StoredLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A letter with what became of it.

    `letter` is as it was buried and never changes; `edits` are in order, and the last one's value is what is redriven.
    The event's own attributes stand here where the record's bytes could be read as far as that.
    """

    letter: DeadLetter
    buried_at: datetime
    state: State = State.DEAD
    event_id: str | None = None
    source: str | None = None
    type: str | None = None
    subject: str | None = None
    edits: tuple[Edit, ...] = ()
    settled_at: datetime | None = None
    settled_by: UUID | None = None

    @property
    def value(self) -> bytes | None:
        """What is redriven."""
        return self.edits[-1].value if self.edits else self.letter.value


class LetterFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which letters. `since` is inclusive, `until` exclusive; both are `dead_at`."""

    state: State | None = None
    code: str | None = None
    topic: str | None = None
    partition: int | None = None
    type: str | None = None
    source: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class LetterKeyset(msgspec.Struct, frozen=True):
    """The last letter of a page: the next one starts beyond it."""

    dead_at: datetime
    id: UUID
