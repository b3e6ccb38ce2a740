"""The bodies that senders write: one event in the plain form or as a CloudEvent, and batches of both.

Nothing of a body is repeated in a fault but member names inside a pointer.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice

import msgspec

from shared.events.cloudevents import binary, is_binary, structured
from shared.events.content import is_suspect
from shared.events.draft import Draft, Name, Parsed, Rejected, Text, draft_faults
from shared.events.encodings import decoded
from shared.events.faults import UNREADABLE, fault_of
from shared.events.limits import MAX_BATCH_BYTES, MAX_BATCH_EVENTS, MAX_EVENT_BYTES
from shared.events.media import BATCH, LINES, PLAIN, STRUCTURED, media_type_of, require
from shared.events.model import Moment
from shared.kit.errors import Fault, Invalid, Malformed, TooLarge, Unprocessable

_MAX_FAULTS_OF_ONE = 5
"""Faults told of one event in a batch: a thousand of them must stay within Lambda's 6 MB."""

_EVENT_TOO_LARGE = Fault("", "event_too_large", f"Keep an event within {MAX_EVENT_BYTES} bytes.")
_BATCH_TOO_LARGE = Fault("", "batch_too_large", f"Keep a batch within {MAX_BATCH_BYTES} bytes.")


class _Plain(msgspec.Struct, forbid_unknown_fields=True):
    type: Name
    data: msgspec.Raw
    id: Name | None = None
    source: Text | None = None
    subject: Text | None = None
    time: Moment | None = None
    key: Text | None = None


class _Wrapped(msgspec.Struct, forbid_unknown_fields=True):
    events: list[msgspec.Raw]


class _Head(msgspec.Struct):
    id: object = None
    specversion: object = None


_PLAIN_DECODER = msgspec.json.Decoder(_Plain)
_ARRAY_DECODER = msgspec.json.Decoder(list[msgspec.Raw])
_WRAPPED_DECODER = msgspec.json.Decoder(_Wrapped)
_HEAD_DECODER = msgspec.json.Decoder(_Head)

_BATCH_BEGINS = re.compile(rb'\s*(\[|\{\s*"events\b)')
_LINE = re.compile(rb"[^\n]+")


def parse_event(body: bytes, headers: Mapping[str, str], *, now: datetime) -> Draft:
    """One event of at most 256 KiB: plain, structured, or binary where there are `ce-` headers.

    `headers` has lower-case names, and gives one that was sent several times as often from `items()`.

    Raises:
        UnsupportedMedia: a content type or encoding that is not read, or not UTF-8.
        TooLarge: over the limit.
        Malformed: not JSON, or not what its encoding says.
        Unprocessable: an event that breaks a rule.
    """
    content_type = headers.get("content-type")
    plain = decoded(body, headers, _EVENT_TOO_LARGE, MAX_EVENT_BYTES)
    named = list(headers.items())
    if is_binary(named) and not media_type_of(content_type).startswith("application/cloudevents"):
        draft, faults = binary(plain, named, content_type, now)
    else:
        media_type = require(content_type, (PLAIN, STRUCTURED))
        _require_utf8(plain)
        draft, faults = structured(plain, "", now) if media_type == STRUCTURED else _plain(plain, "")
    if draft is None or faults:
        raise _refusal("The event cannot be accepted.", faults)
    return draft


def is_batch(body: bytes, headers: Mapping[str, str]) -> bool:
    """Whether a body that may be either is a batch: by its media type, else by its first character or only member."""
    media_type = media_type_of(headers.get("content-type"))
    if media_type in (BATCH, LINES):
        return True
    if media_type != PLAIN or is_binary(list(headers.items())):
        return False
    return _BATCH_BEGINS.match(decoded(body, headers, _BATCH_TOO_LARGE, MAX_BATCH_BYTES)) is not None


def parse_batch(body: bytes, headers: Mapping[str, str], *, now: datetime) -> list[Draft | Rejected]:
    """1 to 1,000 events in at most 4 MiB: a JSON array, `{"events": [...]}`, lines of JSON, or a CloudEvents batch.

    An event in an array or a line that says `specversion` is a structured CloudEvent. One that breaks a rule stands as
    `Rejected` in its place. Blank lines are passed over and not counted.

    Raises:
        UnsupportedMedia, TooLarge, Malformed, Unprocessable: the batch as a whole cannot be read, or is empty.
    """
    media_type = require(headers.get("content-type"), (PLAIN, BATCH, LINES))
    plain = decoded(body, headers, _BATCH_TOO_LARGE, MAX_BATCH_BYTES)
    _require_utf8(plain)
    events, at = _lines(plain) if media_type == LINES else _elements(plain, media_type)
    if not events:
        raise Unprocessable("The batch is empty.", faults=(Fault(at, "empty_batch", "Send at least one event."),))
    if len(events) > MAX_BATCH_EVENTS:
        fault = Fault(at, "batch_too_large", f"Send at most {MAX_BATCH_EVENTS} events at once.")
        raise TooLarge("The batch has too many events.", faults=(fault,))
    looked_at = not is_suspect(plain)  # once for all, instead of once for each
    drafts: list[Draft | Rejected] = []
    for index, raw in enumerate(events):
        drafts.append(_one_of_many(raw, f"{at}/{index}", media_type, now, looked_at))
    return drafts


def _one_of_many(
    raw: msgspec.Raw | bytes, at: str, media_type: str, now: datetime, looked_at: bool
) -> Draft | Rejected:
    view = memoryview(raw)
    if len(view) > MAX_EVENT_BYTES:
        fault = Fault(at, _EVENT_TOO_LARGE.code, _EVENT_TOO_LARGE.detail)
        return Rejected(None, TooLarge("The event is too large.", faults=(fault,)))
    draft, faults = _plain(view, at, looked_at) if media_type != BATCH else structured(view, at, now)
    if faults and media_type != BATCH and _head(view).specversion is not None:
        draft, faults = structured(view, at, now)
    if draft is not None and not faults:
        return draft
    id_ = _head(view).id
    known = id_ if isinstance(id_, str) and len(id_) <= 255 else None
    return Rejected(known, _refusal("The event cannot be accepted.", faults[:_MAX_FAULTS_OF_ONE]))


def _plain(body: bytes | memoryview, at: str, looked_at: bool = False) -> Parsed:
    try:
        event = _PLAIN_DECODER.decode(body)
    except UNREADABLE as error:
        return None, [fault_of(error, at)]
    draft = Draft(
        type=event.type,
        id=event.id,
        source=event.source,
        subject=event.subject,
        time=event.time,
        key=event.key,
        data=event.data,
        at=at,
    )
    return draft, draft_faults(draft, at, looked_at=looked_at)


def _head(body: bytes | memoryview) -> _Head:
    try:
        return _HEAD_DECODER.decode(body)
    except UNREADABLE:
        return _Head()


def _elements(body: bytes, media_type: str) -> tuple[Sequence[msgspec.Raw], str]:
    wrapped = media_type == PLAIN and body.lstrip()[:1] == b"{"
    try:
        if wrapped:
            return _WRAPPED_DECODER.decode(body).events, "/events"
        return _ARRAY_DECODER.decode(body), ""
    except UNREADABLE as error:
        raise _refusal("The batch cannot be read.", [fault_of(error, "")]) from None


def _lines(body: bytes) -> tuple[Sequence[bytes], str]:
    # One by one, and one more than there may be: a body of newlines must not become a million objects.
    stripped = (found[0].strip(b" \t\r") for found in _LINE.finditer(body))
    return list(islice((line for line in stripped if line), MAX_BATCH_EVENTS + 1)), ""


def _require_utf8(body: bytes) -> None:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        fault = Fault("", "utf8", f"Send UTF-8 (the first wrong byte is number {error.start}).")
        raise Malformed("The body is not UTF-8.", faults=(fault,)) from None


_KINDS: dict[str, type[Invalid]] = {"json": Malformed, "event_too_large": TooLarge}


def _refusal(detail: str, faults: Sequence[Fault]) -> Invalid:
    codes = {fault.code for fault in faults}
    kind = _KINDS.get(next(iter(codes)), Unprocessable) if len(codes) == 1 else Unprocessable
    return kind(detail, faults=tuple(faults))
