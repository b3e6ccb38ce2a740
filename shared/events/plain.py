"""The plain form of one event: `{type, data, id?, source?, subject?, time?, key?}`."""

from datetime import datetime

import msgspec

from shared.events.draft import Draft, Long, Parsed, Short, draft_faults
from shared.events.faults import UNREADABLE, fault_of
from shared.events.members import QUOTE, repeated
from shared.events.model import Moment


class PlainEvent(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The members, by their types."""

    type: Short
    data: msgspec.Raw
    id: Short | None = None
    source: Long | None = None
    subject: Long | None = None
    time: Moment | None = None
    key: Long | None = None


_DECODER = msgspec.json.Decoder(PlainEvent)


def plain(body: bytes, at: str, _now: datetime, *, looked_at: bool = False) -> Parsed:
    """The event in `body`, which is UTF-8. `looked_at`: see `draft_faults`."""
    try:
        event = _DECODER.decode(body)
    except UNREADABLE as error:
        return None, [fault_of(error, at)]
    draft = draft_of(event, at)
    faults = draft_faults(draft, at, looked_at=looked_at)
    if body.count(QUOTE) != quotes_of(event) + bytes(event.data).count(QUOTE):
        faults += repeated(body, at)  # or a member is null, or a text has an escaped quote
    return draft, faults


def quotes_of(event: PlainEvent) -> int:
    """How many quotes stand around the event's members, outside its data, where nothing repeats and no name is null.

    There are never fewer, and two more for each member that was sent twice.
    """
    absent = (event.id, event.source, event.subject, event.time, event.key).count(None)
    return 6 + 4 * (5 - absent)


def draft_of(event: PlainEvent, at: str) -> Draft:
    """The event as a draft."""
    return Draft(
        type=event.type,
        id=event.id,
        source=event.source,
        subject=event.subject,
        time=event.time,
        key=event.key,
        data=event.data,
        at=at,
    )
