"""What a replay is asked for, where it stands, what it has begun, and which events it means."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from shared.events.envelope import decode
from shared.events.model import Event, LogRecord, Moment, Position, RawRecord, StoredEvent, written
from shared.events.ports import EventFilter, Keyset
from shared.jobs.model import Job
from shared.kit.errors import Malformed

_COPY = "@"
_ENVELOPE_BYTES = 500

type Named = dict[str, LogRecord]
"""Events by their names, `<partition>@<offset>`: where they lie in the log, or lay when they were stored."""

type Gone = dict[int, list[tuple[int, int]]]
"""Offsets that the log has no more, from the first and before the second, by partition."""


class ReplaySpec(msgspec.Struct, frozen=True, kw_only=True):
    """Which events, and what for."""

    since: Moment = msgspec.field(name="from")
    until: Moment = msgspec.field(name="to")
    filter: EventFilter = EventFilter()
    mode: Literal["if_missing", "force"] = "if_missing"

    def where(self, until: datetime | None = None) -> EventFilter:
        """The same, as storage is asked, of what was received before `until`."""
        return replace(self.filter, since=self.since, until=self.until if until is None else min(self.until, until))


class Cursor(msgspec.Struct, frozen=True, kw_only=True):
    """The log first, from `at` to `ends`. Then storage, for what is `gone` from the log, beyond the row `after`.

    What is gone was appended at `held` or before. `lost`: some of it went while the job was at work.
    """

    at: dict[int, int]
    ends: dict[int, int]
    gone: Gone = msgspec.field(default_factory=dict)
    held: datetime | None = None
    lost: bool = False
    after: Keyset | None = None


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """`names` of the events that are meant, and where they are read: rows beyond `after` up to `last`, else `span`."""

    names: list[str]
    skipped: int = 0
    after: Keyset | None = None
    last: Keyset | None = None
    span: tuple[dict[int, int], dict[int, int]] = ({}, {})
    ends: dict[int, int]


def meant(job: Job, spec: ReplaySpec, record: RawRecord) -> Event | None:
    """The event of `record`, if the job is about it."""
    if record.value is None or msgspec.json.encode(job.tenant) not in record.value:
        return None
    try:
        event = decode(record.value)
    except Malformed:
        return None  # a dead letter, if anything
    where = spec.filter
    fits = all(
        wanted is None or wanted == actual
        for wanted, actual in ((where.type, event.type), (where.source, event.source), (where.subject, event.subject))
    )
    return event if event.tenant == job.tenant and fits and spec.since <= event.received_at < spec.until else None


def is_copy(event: Event) -> bool:
    """Whether a replay brought it: such a copy carries the name of its original."""
    return event.job is not None and _COPY in event.job


def identity(event: Event) -> tuple[date, UUID]:
    """What an event is in storage."""
    return event.received_day, event.key


def to_append(found: Named, places: Mapping[tuple[date, UUID], Position], ends: Mapping[int, int]) -> set[str]:
    """The names of those that stand for their events, each of which is brought once.

    Of an event that has a row it is the record that the row was stored from, though it were a copy. Where the log has
    that one no more, the row itself is brought when it is storage's turn. `places` tells those; a row that was stored
    from beyond `ends` tells nothing. Of other events it is the first record that is not a copy.
    """
    names, seen = set(), set()
    for name, each in found.items():
        place = places.get(identity(each.event))
        known = place is not None and place.offset < ends.get(place.partition, 0)
        stands = place == each.position if known else not is_copy(each.event) and identity(each.event) not in seen
        if stands:
            names.add(name)
            seen.add(identity(each.event))
    return names


def to_store(found: Named, missing: set[UUID]) -> set[str]:
    """The names of those whose events have no row: the first of each."""
    first: dict[tuple[date, UUID], str] = {}
    for name, each in found.items():
        if each.event.key in missing:
            first.setdefault(identity(each.event), name)
    return set(first.values())


def is_gone(gone: Gone, position: Position) -> bool:
    """Whether the log has what lay at `position` no more."""
    return any(first <= position.offset < end for first, end in gone.get(position.partition, ()))


def name_of(position: Position) -> str:
    """What the event there is named."""
    return f"{position.partition}{_COPY}{position.offset}"


def place_of(record: RawRecord) -> Position:
    """Where it lies."""
    return Position(record.partition, record.offset)


def keyset(row: StoredEvent) -> Keyset:
    """Where the page goes on behind `row`."""
    return Keyset(row.event.received_at, str(row.event.key))


def is_within(row: StoredEvent, last: Keyset) -> bool:
    """Whether `row` comes at `last` or before, in the order of pages."""
    return (row.event.received_at, row.event.key) <= (last.received_at, UUID(last.key))


def weight(event: Event) -> int:
    """About how many bytes it is in the log."""
    return _ENVELOPE_BYTES + len(written(event.data) or b"") + len(event.data_base64 or "")


def told(result: Mapping[str, Any], cursor: Cursor) -> dict[str, Any]:
    """`result`, with the moment from which on the log had all, where that is not the whole span."""
    return dict(result) | ({} if cursor.held is None else {"log_asked_since": cursor.held.isoformat()})
