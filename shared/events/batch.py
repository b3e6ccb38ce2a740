"""Batches of events: JSON arrays, objects around one, and lines.

Most batches have nothing wrong with them. They are read in one go, and looked at as a whole. Only where that finds
something, or CloudEvents among plain events, each event is read again by itself, to say which one and why.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from itertools import islice
from typing import Any

import msgspec

from shared.events.cloudevents import CloudEvent, complete, structured
from shared.events.content import is_suspect
from shared.events.draft import Draft, Rejected, draft_faults, is_in_order, text_faults
from shared.events.faults import UNREADABLE, fault_of, refusal_of
from shared.events.limits import MAX_BATCH_EVENTS, MAX_EVENT_BYTES, MAX_FAULTS_OF_ONE, MAX_NESTING
from shared.events.media import BATCH, LINES, PLAIN
from shared.events.members import QUOTE, sent_twice
from shared.events.plain import PlainEvent, draft_of, plain, quotes_of
from shared.kit.errors import Fault, TooLarge, Unprocessable

_SPACE = b" \t\r\n"
_LINE = re.compile(rb"[^\n]+")
_OPENING = re.compile(rb'\s*(?:\{\s*"events\b"\s*:\s*)?\[')
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{},]', re.S)

type _Members = dict[str, msgspec.Raw]


class _Head(msgspec.Struct):
    id: Any = None
    specversion: object = None


_HEAD_DECODER = msgspec.json.Decoder(_Head)
_PLAIN_DECODER = msgspec.json.Decoder(PlainEvent)


def read(body: bytes, media_type: str, now: datetime) -> list[Draft | Rejected]:
    """The events in `body`, which is UTF-8, in their order. One that breaks a rule stands as `Rejected` in its place.

    Raises:
        TooLarge, Malformed, Unprocessable: the batch as a whole.
    """
    at = "/events" if media_type == PLAIN and body.lstrip()[:1] == b"{" else ""
    looked_at = not is_suspect(body)  # once for all, instead of once for each
    if looked_at:
        try:
            drafts = _cloud_events(body, now) if media_type == BATCH else _plain_events(body, media_type, at)
        except UNREADABLE:
            drafts = []
        if 0 < len(drafts) <= MAX_BATCH_EVENTS:
            return [*drafts]
    return _one_by_one(_apart(body, media_type, at), at, media_type, now, looked_at)


def _plain_events(body: bytes, media_type: str, at: str) -> list[Draft]:
    """Every event of the batch, or none where something needs a second look."""
    events: Sequence[PlainEvent]
    if media_type == LINES:
        events = [_PLAIN_DECODER.decode(line) for line in _lines(body)]
    else:
        events = _elements(body, PlainEvent, at)
    datas = [event.data for event in events]
    quotes = sum(map(quotes_of, events)) + (2 if at else 0)
    if _has_repeated(body, datas, quotes) or _has_large(body, datas):
        return []
    drafts = [draft_of(event, f"{at}/{index}") for index, event in enumerate(events)]
    if not all(map(is_in_order, drafts)):
        return []
    if _is_simple(body) and not _has_nested(datas):
        return drafts
    return drafts if not any(draft_faults(draft, draft.at, looked_at=True) for draft in drafts) else []


def _cloud_events(body: bytes, now: datetime) -> list[Draft]:
    events: Sequence[CloudEvent] = _elements(body, CloudEvent, "")
    members: Sequence[_Members] = _elements(body, dict[str, msgspec.Raw], "")
    values = [value for each in members for value in each.values()]
    if _has_repeated(body, values, 2 * len(values)) or _has_large(body, [event.data for event in events]):
        return []
    both = enumerate(zip(events, members, strict=True))
    found = [complete(event, own, f"/{index}", now, looked_at=True) for index, (event, own) in both]
    return [draft for draft, _ in found if draft is not None] if not any(faults for _, faults in found) else []


def _is_simple(body: bytes) -> bool:
    """Whether no text in `body` can hold a control character or noncharacter: ASCII that is not escaped."""
    return body.isascii() and b"\\" not in body and b"\x7f" not in body


def _has_repeated(body: bytes, values: Sequence[msgspec.Raw], quotes: int) -> bool:
    """Whether `body` has more quotes than `values` and the `quotes` around them: see `members`."""
    return body.count(QUOTE) != quotes + b"".join(values).count(QUOTE)


def _has_large(body: bytes, datas: Sequence[msgspec.Raw]) -> bool:
    """Whether an event may be over its limit: the longest data, and all that is around any data."""
    if len(body) <= MAX_EVENT_BYTES:
        return False
    lengths = [len(bytes(data)) for data in datas]
    return max(lengths, default=0) + len(body) - sum(lengths) > MAX_EVENT_BYTES


def _has_nested(datas: Sequence[msgspec.Raw]) -> bool:
    """Whether data may be nested beyond its limit: what is shorter than its brackets is not."""
    return any(len(bytes(data)) > MAX_NESTING for data in datas)


def _one_by_one(
    events: Sequence[bytes], at: str, media_type: str, now: datetime, looked_at: bool
) -> list[Draft | Rejected]:
    found: list[Draft | Rejected] = []
    cloudy = media_type == BATCH
    for index, event in enumerate(events):
        place = f"{at}/{index}"
        if len(event) > MAX_EVENT_BYTES:
            fault = Fault(place, "event_too_large", f"Keep an event within {MAX_EVENT_BYTES} bytes.")
            found.append(Rejected(None, TooLarge("The event is too large.", faults=(fault,))))
            continue
        if media_type != BATCH:
            # An event in an array or a line that says `specversion` is a structured CloudEvent.
            may_be = b"specversion" in event or b"\\u" in event
            cloudy = may_be and _head(event).specversion is not None
        read_one = structured if cloudy else plain
        found.append(_settled(event, place, *read_one(event, place, now, looked_at=looked_at)))
    return found


def _settled(event: bytes, at: str, draft: Draft | None, faults: list[Fault]) -> Draft | Rejected:
    if draft is not None and not faults:
        return draft
    id_ = _head(event).id
    known = isinstance(id_, str) and 0 < len(id_) <= 255 and not text_faults(id_, at)
    return Rejected(id_ if known else None, refusal_of("The event cannot be accepted.", faults[:MAX_FAULTS_OF_ONE]))


def _head(event: bytes) -> _Head:
    try:
        return _HEAD_DECODER.decode(event)
    except UNREADABLE:
        return _Head()


def _apart(body: bytes, media_type: str, at: str) -> Sequence[bytes]:
    """The events' own bytes: at least one, and as many as there may be."""
    if media_type == LINES:
        events = _lines(body)
    else:
        try:
            events = [bytes(raw) for raw in _elements(body, msgspec.Raw, at)]
        except UNREADABLE as error:
            events = _cut(body, b"}" if at else b"") if _is_array(body, at, error) else []
            if not events:
                raise refusal_of("The batch cannot be read.", [fault_of(error, "")]) from None
    if len(events) > MAX_BATCH_EVENTS:
        fault = Fault(at, "batch_too_large", f"Send at most {MAX_BATCH_EVENTS} events at once.")
        raise TooLarge("The batch has too many events.", faults=(fault,))
    # No other member may be around them: there is no need to parse what was dropped.
    if at and body.count(QUOTE) != 2 + b"".join(events).count(QUOTE):
        raise refusal_of("The batch cannot be read.", [sent_twice(at)])
    if not events:
        raise Unprocessable("The batch is empty.", faults=(Fault(at, "empty_batch", "Send at least one event."),))
    return events


def _is_array(body: bytes, at: str, error: Exception) -> bool:
    """Whether only what one element holds is behind `error`: nesting, or half a surrogate pair.

    RFC 8259 has such a half within its grammar (8.2); the decoder refuses it, and the whole array with it.
    """
    if not isinstance(error, msgspec.DecodeError) or isinstance(error, msgspec.ValidationError):
        return isinstance(error, RecursionError)
    try:
        # As long as before, and no surrogate: \ud800 becomes \u0800.
        _elements(body.replace(b"\\ud", b"\\u0").replace(b"\\uD", b"\\u0"), msgspec.Raw, at)
    except UNREADABLE as other:
        return isinstance(other, RecursionError)
    return True


def _cut(body: bytes, closing: bytes) -> list[bytes]:
    """The elements of an array in which one cannot be decoded, or none where the array is none.

    They may be no JSON. 4 MiB of brackets take half a second, and nobody sends them by mistake.
    """
    opening = _OPENING.match(body)
    start = opening.end() if opening else len(body)
    depth = 0
    found: list[bytes] = []
    for token in _TOKEN.finditer(body, start):
        match token[0]:
            case b"[" | b"{":
                depth += 1
            case b"]" if depth == 0:
                ends = body[token.end() :].strip() == closing
                return [*found, body[start : token.start()].strip(_SPACE)] if ends else []
            case b"]" | b"}":
                depth -= 1
            case b"," if depth == 0:
                found.append(body[start : token.start()].strip(_SPACE))
                start = token.end()
                if len(found) > MAX_BATCH_EVENTS:
                    return found  # whatever follows, it is refused
            case _:
                pass
    return []


def _lines(body: bytes) -> list[bytes]:
    # One by one, and one more than there may be: a body of newlines must not become a million objects.
    stripped = (found[0].strip(_SPACE) for found in _LINE.finditer(body))
    return list(islice((line for line in stripped if line), MAX_BATCH_EVENTS + 1))


def _elements(body: bytes, kind: Any, at: str) -> list[Any]:
    """The elements of the array that `at` points to, each a `kind`: at most one more than there may be."""
    decoded = _decoder(kind, at).decode(body)
    elements = msgspec.structs.astuple(getattr(decoded, at[1:]) if at else decoded)
    try:
        return list(elements[: elements.index(msgspec.UNSET)])
    except ValueError:
        return list(elements)


@cache
def _decoder(kind: Any, at: str) -> msgspec.json.Decoder[Any]:
    """Reads an array as a struct of one element more than there may be, and passes over the rest.

    As a list, 4 MiB of `1,1,1` became two million objects in 140 MB.
    """
    names = [f"at_{index}" for index in range(MAX_BATCH_EVENTS + 1)]
    # Without the default in the type: with it, 1,001 of them took 10 ms to understand.
    fields = [(name, kind, msgspec.UNSET) for name in names]
    elements = msgspec.defstruct("Elements", fields, array_like=True, gc=False)
    if not at:
        return msgspec.json.Decoder(elements)
    return msgspec.json.Decoder(msgspec.defstruct("Wrapped", [(at[1:], elements)], forbid_unknown_fields=True))
