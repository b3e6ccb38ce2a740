"""Dead letters as people see them: found, mended, sent on their way again or given up."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec

from shared.events.dead import DeadLetter
from shared.events.limits import YEARS
from shared.events.model import Moment


class State(StrEnum):
    """Where a letter stands. Only one that is `DEAD` can be edited, redriven or discarded."""

    DEAD = "dead"
    REDRIVEN = "redriven"
    DISCARDED = "discarded"


class Scope(msgspec.Struct, frozen=True):
    """Whose letters: the tenant's, and with `orphans` also those of which nobody can tell whose they are."""

    tenant: str
    orphans: bool = False


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """What an event says of itself, where its bytes can be read as far as that."""

    event_id: str | None = None
    source: str | None = None
    type: str | None = None
    subject: str | None = None


class NewLetter(Named, frozen=True, kw_only=True):
    """A letter to be buried, and what its event says of itself.

    `received_at` is when the event came, where its bytes tell: its record may have been appended long after.
    """

    letter: DeadLetter
    received_at: datetime | None = None


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """One change to what would be redriven: who made it when and why."""

    at: datetime
    by: str
    why: str


class Change(Named, frozen=True, kw_only=True):
    """An edit, the bytes that it puts in the place of the last ones, and what they say of their event.

    A letter of no tenant becomes one of `tenant`.
    """

    edit: Edit
    value: bytes
    tenant: str


class ListedLetter(Named, frozen=True, kw_only=True):
    """A letter without its bytes, as it stands in a list: `size` is how many bytes would be redriven.

    A value may be a megabyte, and a list has a thousand of them. `edits` says how often it was edited.
    """

    id: UUID
    tenant: str | None
    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    code: str
    reason: str
    attempts: int
    traceparent: str | None
    dead_at: datetime
    buried_at: datetime
    size: int
    state: State = State.DEAD
    edits: int = msgspec.field(default=0, name="edit_count")
    settled_at: datetime | None = None
    settled_by: UUID | None = None


class StoredLetter(Named, frozen=True, kw_only=True):
    """A letter with what became of it.

    `letter` is as it was buried, and stays so, but for the tenant of one that had none. `edits` are in order, and
    `edited` is what the last one put in the place of the record's value. What the event says of itself is of the value
    that would be redriven.
    """

    letter: DeadLetter
    buried_at: datetime
    state: State = State.DEAD
    edits: tuple[Edit, ...] = ()
    edited: bytes | None = None
    settled_at: datetime | None = None
    settled_by: UUID | None = None

    @property
    def value(self) -> bytes | None:
        """What is redriven."""
        return self.edited if self.edits else self.letter.value

    @property
    def listed(self) -> ListedLetter:
        """The letter as it stands in a list."""
        letter = self.letter
        return ListedLetter(
            id=letter.id,
            tenant=letter.tenant,
            topic=letter.topic,
            partition=letter.partition,
            offset=letter.offset,
            timestamp_ms=letter.timestamp_ms,
            code=letter.code,
            reason=letter.reason,
            attempts=letter.attempts,
            traceparent=letter.traceparent,
            dead_at=letter.dead_at,
            buried_at=self.buried_at,
            size=len(self.value or b""),
            state=self.state,
            edits=len(self.edits),
            settled_at=self.settled_at,
            settled_by=self.settled_by,
            event_id=self.event_id,
            source=self.source,
            type=self.type,
            subject=self.subject,
        )


class LetterFilter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which letters. `since` is inclusive, `until` exclusive; both are `dead_at`.

    `subject` also finds a letter that had it before it was edited: whoever looks for a subject looks for all of it.
    """

    state: State | None = None
    code: str | None = None
    topic: str | None = None
    partition: Annotated[int, msgspec.Meta(ge=0, lt=2**31)] | None = None
    type: str | None = None
    source: str | None = None
    subject: str | None = None
    since: Moment | None = None
    until: Moment | None = None

    def __post_init__(self) -> None:
        if any(moment is not None and moment.year not in YEARS for moment in (self.since, self.until)):
            raise ValueError("a year that not every time zone has")


class LetterKeyset(msgspec.Struct, frozen=True):
    """The last letter of a page: the next one starts beyond it."""

    dead_at: datetime
    id: UUID
