"""Mending: from what an operator writes and what the letter still says, an event that can be stored."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec

from shared.access.model import Principal
from shared.deadletters.model import Change, Edit, StoredLetter
from shared.deadletters.reading import Reading, read
from shared.events.draft import Draft
from shared.events.envelope import encode
from shared.events.faults import UNREADABLE, fault_of, refusal_of
from shared.events.intake import DEFAULT_SOURCE
from shared.events.limits import MAX_EVENT_BYTES
from shared.events.media import is_json, media_type_of
from shared.events.members import repeated
from shared.events.model import Event, event_key
from shared.events.plain import plain
from shared.kit.errors import Fault
from shared.kit.trace import Trace

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FAR_MS = 10**14  # the year 5138: beyond it, and before 1970, it is no time that a record was written at


class _Asked(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    event: msgspec.Raw
    why: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]


_DECODER = msgspec.json.Decoder(_Asked)


def mended(body: bytes, stored: StoredLetter, editor: Principal, now: datetime) -> Change:
    """The change that `body` asks for: `{"event": <an event in the plain form>, "why": "..."}`.

    What the event leaves out is taken from the letter, as far as it can be read there. What the server stamps is kept:
    tenant, principal, received time, trace and key, so that an event that is redriven is the one it was. Where that
    cannot be read, the event is the letter's tenant's, else the editor's, and was received when its record was written.

    Raises:
        Malformed: not JSON in UTF-8.
        TooLarge: an event over the limit for one.
        Unprocessable: no event, no reason, or another event's id or source.
    """
    asked, faults = _asked(body)
    if asked is None:
        raise refusal_of("The edit cannot be read.", faults)
    draft, found = plain(bytes(asked.event), "/event", now)
    faults += found
    if len(asked.event) > MAX_EVENT_BYTES:
        faults = [Fault("/event", "event_too_large", f"Keep an event within {MAX_EVENT_BYTES} bytes.")]
    if draft is not None and not faults:
        faults = _identity_faults(draft, read(stored.letter.value))
    if draft is None or faults:
        raise refusal_of("The edit cannot be applied.", faults)
    event = _event(draft, read(stored.value), stored, editor)
    return Change(
        edit=Edit(at=now, by=editor.name, why=asked.why),
        value=encode(event),
        tenant=event.tenant,
        event_id=event.id,
        source=event.source,
        type=event.type,
        subject=event.subject,
    )


def _asked(body: bytes) -> tuple[_Asked | None, list[Fault]]:
    try:
        body.decode()
        asked = _DECODER.decode(body)
    except UnicodeDecodeError:
        return None, [Fault("", "utf8", "Send UTF-8.")]
    except UNREADABLE as error:
        return None, [fault_of(error, "")]
    faults = repeated(body, "")
    if "\0" in asked.why:
        faults.append(Fault("/why", "nul", "Remove the character U+0000: it cannot be stored."))
    return asked, faults


def _identity_faults(draft: Draft, original: Reading) -> list[Fault]:
    """Whether the body makes another event of one that has a key already."""
    if original.key is None:
        return []
    pairs = {"id": (draft.id, original.id), "source": (draft.source, original.source)}
    return [
        Fault(f"/event/{name}", "identity", "Leave this out: the event is the one it was.")
        for name, (given, known) in pairs.items()
        if given is not None and known is not None and given != known
    ]


def _event(draft: Draft, known: Reading, stored: StoredLetter, editor: Principal) -> Event:
    letter = stored.letter
    tenant = letter.tenant or editor.tenant
    id_ = draft.id or known.id or str(letter.id)
    source = draft.source or known.source or DEFAULT_SOURCE
    is_same = (tenant, id_, source) == (known.tenant, known.id, known.source)
    subject = draft.subject or known.subject
    traceparent = known.traceparent or ""
    return Event(
        key=known.key if is_same and known.key is not None else event_key(tenant, source, id_),
        tenant=tenant,
        principal=known.principal or editor.name,
        id=id_,
        source=source,
        type=draft.type,
        partition_key=draft.key or known.partition_key or subject or id_,
        received_at=known.received_at or _written_at(stored),
        subject=subject,
        time=draft.time or known.time,
        datacontenttype=_json_type(known.datacontenttype),
        dataschema=known.dataschema,
        data=draft.data,
        extensions=_extensions(draft, known),
        traceparent=traceparent if Trace.is_traceparent(traceparent) else letter.traceparent,
        spooled_at=known.spooled_at,
    )


def _written_at(stored: StoredLetter) -> datetime:
    milliseconds = stored.letter.timestamp_ms
    if not 0 < milliseconds < _FAR_MS:
        return stored.letter.dead_at
    return _EPOCH + timedelta(milliseconds=milliseconds)


def _json_type(content_type: str | None) -> str | None:
    """What the data was said to be, if that is still so: in the plain form it is JSON."""
    return content_type if is_json(media_type_of(content_type)) else None


def _extensions(draft: Draft, known: Reading) -> dict[str, str | int | bool]:
    extensions = known.storable_extensions
    if draft.key is not None and "partitionkey" in extensions:
        extensions["partitionkey"] = draft.key
    return extensions
