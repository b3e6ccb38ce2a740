"""Dead letters as rows."""

from binascii import b2a_base64
from collections.abc import Sequence
from datetime import UTC
from typing import Any

from sqlalchemy import Row

from shared.deadletters.model import Edit, ListedLetter, NewLetter, State, StoredLetter
from shared.events.dead import DeadLetter

_SHOWN = """id, tenant, topic, "partition", "offset", timestamp_ms, code, reason, attempts, traceparent, dead_at,
buried_at, event_id, source, type, subject, edits, state, settled_at, settled_by"""
_EDITED = "(SELECT value FROM dead_letter_edits WHERE letter = dead_letters.id AND number = dead_letters.edits)"
# The length alone: PostgreSQL knows it without a look at the bytes.
LISTED = f"{_SHOWN}, coalesce(octet_length(coalesce({_EDITED}, value)), 0) AS size"
WHOLE = f"{_SHOWN}, key, value, {_EDITED} AS edited"


def base64(value: bytes | None) -> str | None:
    """Bytes as a parameter, to be read by `decode`."""
    return None if value is None else b2a_base64(value, newline=False).decode()


def columns_of(letters: Sequence[NewLetter]) -> tuple[list[str | None], ...]:
    """The columns as text."""
    return tuple([list(column) for column in zip(*map(_columns, letters), strict=True)])


def listed(row: Row[Any]) -> ListedLetter:
    """A row of `LISTED`."""
    return ListedLetter(
        id=row.id,
        tenant=row.tenant,
        topic=row.topic,
        partition=row.partition,
        offset=row.offset,
        timestamp_ms=row.timestamp_ms,
        code=row.code,
        reason=row.reason,
        attempts=row.attempts,
        traceparent=row.traceparent,
        dead_at=row.dead_at,
        size=row.size,
        edits=row.edits,
        **_fate(row),
    )


def whole(row: Row[Any], edits: Sequence[Edit]) -> StoredLetter:
    """A row of `WHOLE`, with the letter's edits."""
    letter = DeadLetter(
        topic=row.topic,
        partition=row.partition,
        offset=row.offset,
        timestamp_ms=row.timestamp_ms,
        key=row.key,
        value=row.value,
        code=row.code,
        reason=row.reason,
        attempts=row.attempts,
        tenant=row.tenant,
        traceparent=row.traceparent,
        dead_at=row.dead_at,
    )
    return StoredLetter(letter=letter, edits=tuple(edits), edited=row.edited, **_fate(row))


def edit_of(row: Row[Any]) -> Edit:
    """A row of `dead_letter_edits`."""
    return Edit(at=row.at, by=row.by, why=row.why)


def _fate(row: Row[Any]) -> dict[str, Any]:
    """What a letter's event says of itself, and what became of the letter."""
    return {
        "buried_at": row.buried_at,
        "event_id": row.event_id,
        "source": row.source,
        "type": row.type,
        "subject": row.subject,
        "state": State(row.state),
        "settled_at": row.settled_at,
        "settled_by": row.settled_by,
    }


def _columns(new: NewLetter) -> tuple[str | None, ...]:
    letter = new.letter
    return (
        str(letter.id),
        letter.tenant,
        letter.topic,
        str(letter.partition),
        str(letter.offset),
        str(letter.timestamp_ms),
        base64(letter.key),
        base64(letter.value),
        letter.code,
        letter.reason,
        str(letter.attempts),
        letter.traceparent,
        letter.dead_at.astimezone(UTC).isoformat(),
        new.event_id,
        new.source,
        new.type,
        new.subject,
        None if new.received_at is None else new.received_at.astimezone(UTC).isoformat(),
    )
