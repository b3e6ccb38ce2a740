"""The bodies that senders write: the plain form, CloudEvents 1.0 structured, and batches of the plain form.

Every parser either gives drafts or raises with one fault per place found. Nothing of the body is repeated in a fault
but member names inside a pointer.
"""

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec

from shared.events.draft import Draft, Extension, Name, Text, draft_faults, size_faults
from shared.events.limits import MAX_BATCH_BYTES, MAX_BATCH_EVENTS, MAX_EVENT_BYTES, MAX_EXTENSIONS, MAX_NESTING
from shared.events.model import NO_DATA, Moment, written
from shared.kit.errors import MAX_FAULTS, Fault, Invalid, Malformed, TooLarge, Unprocessable, UnsupportedMedia
from shared.kit.pointer import escape

PLAIN = "application/json"
STRUCTURED = "application/cloudevents+json"

_EXTENSION_NAME = re.compile(r"[a-z0-9]{1,20}")  # CloudEvents 1.0, "Naming conventions"
_TAKEN = frozenset({"partition", "offset", "position", "timeline"})  # members of an event as it is read back
_INT32 = range(-(2**31), 2**31)  # CloudEvents 1.0, "Type System", Integer


class _Plain(msgspec.Struct, forbid_unknown_fields=True):
    type: Name
    data: msgspec.Raw
    id: Name | None = None
    source: Text | None = None
    subject: Text | None = None
    time: Moment | None = None
    key: Text | None = None


class _CloudEvent(msgspec.Struct):
    specversion: Literal["1.0"]
    type: Name
    id: Name
    source: Text
    subject: Text | None = None
    time: Moment | None = None
    datacontenttype: Name | None = None
    dataschema: Text | None = None
    data: msgspec.Raw = NO_DATA
    data_base64: Annotated[str, msgspec.Meta(max_length=MAX_EVENT_BYTES)] | None = None


class _Batch(msgspec.Struct, forbid_unknown_fields=True):
    events: list[msgspec.Raw]


_UNREADABLE = (msgspec.DecodeError, RecursionError)  # the second at some 10,000 levels of nesting

_PLAIN_DECODER = msgspec.json.Decoder(_Plain)
_CLOUD_EVENT_DECODER = msgspec.json.Decoder(_CloudEvent)
_MEMBERS_DECODER = msgspec.json.Decoder(dict[str, msgspec.Raw])
_EXTENSION_DECODER = msgspec.json.Decoder(Extension | None)
_ARRAY_DECODER = msgspec.json.Decoder(list[msgspec.Raw])
_BATCH_DECODER = msgspec.json.Decoder(_Batch)


def parse_event(body: bytes, content_type: str | None) -> Draft:
    """One event of at most 256 KiB.

    Raises:
        UnsupportedMedia: neither `application/json` nor `application/cloudevents+json`, or not UTF-8.
        TooLarge: over the limit.
        Malformed: not JSON.
        Unprocessable: JSON that breaks a rule.
    """
    parse = _ONE[_media_type(content_type, tuple(_ONE))]
    too_large = size_faults(body, "")
    if too_large:
        raise TooLarge("The event is too large.", faults=tuple(too_large))
    _require_utf8(body)
    draft, faults = parse(body, "")
    if draft is None or faults:
        raise _refusal("The event cannot be accepted.", faults)
    return draft


def parse_batch(body: bytes, content_type: str | None) -> list[Draft]:
    """1 to 1,000 events in at most 4 MiB: a JSON array, or `{"events": [...]}`. All are good, or none is given.

    Raises:
        UnsupportedMedia: not `application/json`, or not UTF-8.
        TooLarge: over a limit, or an event over its own.
        Malformed: not JSON.
        Unprocessable: empty, or an event breaks a rule; the first 100 faults are listed, over all events.
    """
    _media_type(content_type, (PLAIN,))
    if len(body) > MAX_BATCH_BYTES:
        fault = Fault("", "batch_too_large", f"Keep a batch within {MAX_BATCH_BYTES} bytes.")
        raise TooLarge("The batch is too large.", faults=(fault,))
    _require_utf8(body)
    events, at = _elements(body)
    drafts: list[Draft] = []
    faults: list[Fault] = []
    for index, raw in enumerate(events):
        draft, found = _sized(raw, f"{at}/{index}")
        faults += found
        if draft is not None:
            drafts.append(draft)
        if len(faults) >= MAX_FAULTS:
            break
    if faults:
        raise _refusal("The batch cannot be accepted, and nothing of it was.", faults)
    return drafts


def _elements(body: bytes) -> tuple[list[msgspec.Raw], str]:
    wrapped = body.lstrip()[:1] == b"{"
    at = "/events" if wrapped else ""
    try:
        events = _BATCH_DECODER.decode(body).events if wrapped else _ARRAY_DECODER.decode(body)
    except _UNREADABLE as error:
        raise _refusal("The batch cannot be read.", [_fault(error, "")]) from None
    if not events:
        fault = Fault(at, "empty_batch", "Send at least one event.")
        raise Unprocessable("The batch is empty.", faults=(fault,))
    if len(events) > MAX_BATCH_EVENTS:
        fault = Fault(at, "batch_too_large", f"Send at most {MAX_BATCH_EVENTS} events at once.")
        raise TooLarge("The batch has too many events.", faults=(fault,))
    return events, at


type Parsed = tuple[Draft | None, list[Fault]]


def _sized(raw: msgspec.Raw, at: str) -> Parsed:
    written = memoryview(raw)
    faults = size_faults(written, at)
    return (None, faults) if faults else _plain(written, at)


def _plain(body: bytes | memoryview, at: str) -> Parsed:
    try:
        event = _PLAIN_DECODER.decode(body)
    except _UNREADABLE as error:
        return None, [_fault(error, at)]
    draft = Draft(
        type=event.type,
        id=event.id,
        source=event.source,
        subject=event.subject,
        time=event.time,
        key=event.key,
        data=event.data,
    )
    return draft, draft_faults(draft, at)


def _structured(body: bytes | memoryview, at: str) -> Parsed:
    try:
        event = _CLOUD_EVENT_DECODER.decode(body)
        members = _MEMBERS_DECODER.decode(body)
    except _UNREADABLE as error:
        return None, [_fault(error, at)]
    known = _CloudEvent.__struct_fields__
    extensions, faults = _extensions({name: raw for name, raw in members.items() if name not in known}, at)
    if event.data_base64 is not None:
        faults += _base64_faults(event.data_base64, has_data=written(event.data) not in (None, b"null"), at=at)
    key = extensions.get("partitionkey")
    draft = Draft(
        type=event.type,
        id=event.id,
        source=event.source,
        subject=event.subject,
        time=event.time,
        key=None if key is None else str(key),
        datacontenttype=event.datacontenttype,
        dataschema=event.dataschema,
        data=event.data if event.data_base64 is None else NO_DATA,
        data_base64=event.data_base64,
        extensions=extensions,
    )
    return draft, faults + draft_faults(draft, at)


def _extensions(members: dict[str, msgspec.Raw], at: str) -> tuple[dict[str, str | int | bool], list[Fault]]:
    found: dict[str, str | int | bool] = {}
    faults: list[Fault] = []
    if len(members) > MAX_EXTENSIONS:
        return found, [Fault(at, "extensions", f"Use at most {MAX_EXTENSIONS} extension attributes.")]
    for name, raw in members.items():
        where = f"{at}/{escape(name)}"
        if not _EXTENSION_NAME.fullmatch(name) or name in _TAKEN:
            rule = "Name an extension attribute with 1 to 20 of a-z and 0-9, and not like a member of ours."
            faults.append(Fault(where, "unknown_field", rule))
            continue
        try:
            value = _EXTENSION_DECODER.decode(raw)
        except _UNREADABLE as error:
            faults.append(_fault(error, where))
            continue
        if isinstance(value, int) and value not in _INT32:
            faults.append(Fault(where, "number", "Keep an integer attribute within 32 bits."))
        if value is not None:
            found[name] = value
    return found, faults


def _base64_faults(text: str, *, has_data: bool, at: str) -> list[Fault]:
    faults = []
    if has_data:
        faults.append(Fault(f"{at}/data_base64", "two_data", "Send data or data_base64, not both."))
    try:
        a2b_base64(text, strict_mode=True)
    except (Base64Error, ValueError):
        faults.append(Fault(f"{at}/data_base64", "base64", "Encode the data with base64 (RFC 4648, section 4)."))
    return faults


_ONE: dict[str, Callable[[bytes | memoryview, str], Parsed]] = {PLAIN: _plain, STRUCTURED: _structured}


def _media_type(content_type: str | None, readable: tuple[str, ...]) -> str:
    media_type, _, parameters = (content_type or "").lower().partition(";")
    charset = re.search(r'charset\s*=\s*"?([^\s";]+)', parameters)
    if media_type.strip() not in readable or (charset and charset[1] not in ("utf-8", "utf8", "us-ascii")):
        fault = Fault("", "content_type", f"Send {' or '.join(readable)}, in UTF-8.")
        raise UnsupportedMedia("The content type is not read here.", faults=(fault,))
    return media_type.strip()


def _require_utf8(body: bytes) -> None:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        fault = Fault("", "utf8", f"Send UTF-8 (the first wrong byte is number {error.start}).")
        raise Malformed("The body is not UTF-8.", faults=(fault,)) from None


def _refusal(detail: str, faults: list[Fault]) -> Invalid:
    codes = {fault.code for fault in faults}
    kinds: dict[str, Callable[..., Invalid]] = {"json": Malformed, "event_too_large": TooLarge}
    kind = kinds.get(next(iter(codes)), Unprocessable) if len(codes) == 1 else Unprocessable
    return kind(detail, faults=tuple(faults))


# What msgspec says of a fault, and what is passed on: its texts name types, limits and member names, never values.
_RULES: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (re.compile(r"unknown field `(?P<name>.*)`", re.S), "unknown_field", "This member is not known here."),
    (re.compile(r"missing required field `(?P<name>.*)`"), "required", "This member is required."),
    (re.compile(r"matching regex"), "characters", "Remove control characters."),
    (re.compile(r"Expected (?P<rule>.*), got .*", re.S), "type", "Expected {rule}."),
    (re.compile(r"Expected (?P<rule>`str` of length [<>]= \d+)"), "length", "Expected {rule}."),
    (re.compile(r"RFC3339|timezone"), "time", "Use an RFC 3339 date and time with an offset."),
    (re.compile(r"\(byte (?P<rule>\d+)\)"), "json", "This is not JSON (see byte {rule})."),
    (re.compile(r"truncated"), "json", "This is not JSON (it ends too early)."),
    (re.compile(r"Invalid enum value"), "value", "This value is not among those that are allowed."),
)


def _fault(error: msgspec.DecodeError | RecursionError, at: str) -> Fault:
    if isinstance(error, RecursionError):
        return Fault(at, "nesting", f"Nest arrays and objects at most {MAX_NESTING} levels deep.")
    said, _, path = str(error).partition(" - at `$")
    place = at + "".join(f"/{step}" for step in re.findall(r"\w+", path))
    for pattern, code, detail in _RULES:
        if match := pattern.search(said):
            groups: dict[str, Any] = match.groupdict()
            return Fault(
                f"{place}/{escape(groups['name'])}" if "name" in groups else place,
                code,
                detail.format(rule=str(groups.get("rule", "")).replace("`", "")),
            )
    return Fault(place, "value", "This value is not allowed here.")
