"""CloudEvents 1.0 over HTTP: the structured and the binary mode of one event."""

import re
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import unquote_to_bytes

import msgspec

from shared.events.draft import Draft, Extension, Long, Parsed, Short, draft_faults, text_faults
from shared.events.faults import UNREADABLE, fault_of
from shared.events.limits import MAX_EVENT_BYTES, MAX_EXTENSIONS
from shared.events.media import UTF8, charset_of, is_json, is_text, media_type_of
from shared.events.members import QUOTE, quotes_in, repeated
from shared.events.model import NO_DATA, Moment, written
from shared.kit.errors import Fault
from shared.kit.pointer import escape

_EXTENSION_NAME = re.compile(r"[a-z0-9]{1,20}")  # CloudEvents 1.0, "Naming conventions"
TAKEN = frozenset(
    {"partition", "offset", "position", "timeline", "tenant", "principal", "receivedat", "storedat", "key", "data"}
)
"""Members of an event as it is read back, and what the server stamps: not for a sender to say."""

_INT32 = range(-(2**31), 2**31)  # CloudEvents 1.0, "Type System", Integer
_QUOTED_PAIR = re.compile(r"\\(.)", re.S)
_URI_REFERENCE = re.compile(r"(?:[\w.~:/?#\[\]@!$&'()*+,;=-]|%[0-9a-f]{2})+", re.I | re.A)  # characters of RFC 3986
_PREFIX = "ce-"


class CloudEvent(msgspec.Struct, gc=False):
    """The attributes that CloudEvents 1.0 names, by their types."""

    specversion: Literal["1.0"]
    type: Short
    id: Short
    source: Long
    subject: Long | None = None
    time: Moment | None = None
    datacontenttype: Short | None = None
    dataschema: Long | None = None
    data: msgspec.Raw = NO_DATA
    data_base64: Annotated[str, msgspec.Meta(max_length=MAX_EVENT_BYTES)] | None = None


_ATTRIBUTES = frozenset(CloudEvent.__struct_fields__)
_CLOUD_EVENT_DECODER = msgspec.json.Decoder(CloudEvent)
_MEMBERS_DECODER = msgspec.json.Decoder(dict[str, msgspec.Raw])
_EXTENSION_DECODER = msgspec.json.Decoder(Extension | None)
_ANY_DECODER = msgspec.json.Decoder(msgspec.Raw)


def structured(body: bytes, at: str, now: datetime, *, looked_at: bool = False) -> Parsed:
    """The JSON event format. Members that are no attributes are extensions; one that is null is absent.

    `looked_at`: see `draft_faults`.
    """
    try:
        event = _CLOUD_EVENT_DECODER.decode(body)
        members = _MEMBERS_DECODER.decode(body)
    except UNREADABLE as error:
        return None, [fault_of(error, at)]
    draft, faults = complete(event, members, at, now, looked_at=looked_at)
    if body.count(QUOTE) != quotes_in(members):
        faults += repeated(body, at)
    return draft, faults


def complete(
    event: CloudEvent, members: dict[str, msgspec.Raw], at: str, now: datetime, *, looked_at: bool = False
) -> Parsed:
    """The draft that `event` and those of all its `members` that are extensions make."""
    extensions, faults = _extensions({name: raw for name, raw in members.items() if name not in _ATTRIBUTES}, at)
    if event.data_base64 is not None:
        faults += _base64_faults(event.data_base64, has_data=written(event.data) not in (None, b"null"), at=at)
    data = event.data if event.data_base64 is None else NO_DATA
    draft = _draft(event, extensions, data, event.data_base64, event.datacontenttype, at)
    if extensions:
        faults += _extension_faults(extensions, at, now)
    return draft, faults + draft_faults(draft, at, looked_at=looked_at)


def is_binary(headers: Sequence[tuple[str, str]]) -> bool:
    """Whether the attributes are in headers (CloudEvents HTTP binding, 3.1), given the media type is not of theirs."""
    return any(name.startswith(_PREFIX) for name, _ in headers)


def binary(body: bytes, headers: Sequence[tuple[str, str]], content_type: str | None, now: datetime) -> Parsed:
    """The binary mode: attributes from `ce-` headers, data as the content type says, kept exactly.

    JSON stays JSON, also where no content type is given, and text in UTF-8 becomes a JSON string. All else goes into
    `data_base64`, and so does text that storage would refuse (U+0000) or that escapes would make much larger.
    A fault points to where the attribute would stand in the structured mode.
    """
    values, faults = _values(headers)
    attributes = {name: value for name, value in values.items() if name in _ATTRIBUTES}
    forbidden = attributes.keys() & {"datacontenttype", "data", "data_base64"}
    faults += [Fault(f"/{name}", "unknown_field", "This is not said by a ce- header.") for name in sorted(forbidden)]
    if faults:
        return None, faults
    try:
        event = msgspec.convert(attributes, CloudEvent)
    except msgspec.ValidationError as error:
        return None, [fault_of(error, "")]
    own = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in values.items() if name not in _ATTRIBUTES}
    extensions, faults = _extensions(own, "")
    data, encoded, found = _data(body, content_type)
    draft = _draft(event, extensions, data, encoded, content_type, "")
    faults += found
    if content_type is not None and len(content_type) > 255:
        faults.append(Fault("/datacontenttype", "length", "Keep the content type within 255 characters."))
    return draft, faults + _extension_faults(extensions, "", now) + (draft_faults(draft, "") if not found else [])


def _draft(
    event: CloudEvent,
    extensions: dict[str, str | int | bool],
    data: msgspec.Raw,
    data_base64: str | None,
    content_type: str | None,
    at: str,
) -> Draft:
    key = extensions.get("partitionkey")
    return Draft(
        type=event.type,
        id=event.id,
        source=event.source,
        subject=event.subject,
        time=event.time,
        key=key if isinstance(key, str) else None,
        datacontenttype=content_type,
        dataschema=event.dataschema,
        data=data,
        data_base64=data_base64,
        extensions=extensions,
        at=at,
    )


def _values(headers: Sequence[tuple[str, str]]) -> tuple[dict[str, str], list[Fault]]:
    """The `ce-` headers by their attributes: unquoted, then percent-decoded once (HTTP binding, 3.1.3.2)."""
    given = [(name[len(_PREFIX) :], value) for name, value in headers if name.startswith(_PREFIX)]
    faults = [
        Fault(f"/{escape(name)}", "repeated", "Send this header once.")
        for name, times in Counter(name for name, _ in given).items()
        if times > 1
    ]
    found: dict[str, str] = {}
    for name, value in given:
        text = value.strip(" \t")
        if len(text) > 1 and text[0] == text[-1] == '"':
            text = _QUOTED_PAIR.sub(r"\1", text[1:-1])
        try:
            found[name] = unquote_to_bytes(text.encode("latin-1")).decode()
        except UnicodeError:
            faults.append(Fault(f"/{escape(name)}", "utf8", "Percent-encode this header's UTF-8."))
    return found, faults


def _data(body: bytes, content_type: str | None) -> tuple[msgspec.Raw, str | None, list[Fault]]:
    if not body:
        return NO_DATA, None, []
    media_type = media_type_of(content_type)
    json = _json(body) if content_type is None or is_json(media_type) else NO_DATA
    if isinstance(json, Fault) and content_type is not None:
        return NO_DATA, None, [json]
    if isinstance(json, msgspec.Raw) and written(json) is not None:
        return json, None, []
    encoded = b2a_base64(body, newline=False)
    if is_text(media_type) and charset_of(content_type) in UTF8 and b"\0" not in body:
        try:
            text = msgspec.json.encode(body.decode())
        except UnicodeDecodeError:
            text = b""  # kept exactly, as bytes
        # Escapes may make text six times as long: as bytes it grows by a third.
        if 0 < len(text) <= max(len(encoded), MAX_EVENT_BYTES):
            return msgspec.Raw(text), None, []
    return NO_DATA, encoded.decode(), []


def _json(body: bytes) -> msgspec.Raw | Fault:
    try:
        body.decode()
        _ANY_DECODER.decode(body)
    except UNREADABLE as error:
        return fault_of(error, "/data")
    except UnicodeDecodeError:
        return Fault("/data", "utf8", "Send JSON in UTF-8.")
    return msgspec.Raw(body.strip(b" \t\r\n"))


def _extensions(members: dict[str, msgspec.Raw], at: str) -> tuple[dict[str, str | int | bool], list[Fault]]:
    found: dict[str, str | int | bool] = {}
    faults: list[Fault] = []
    if len(members) > MAX_EXTENSIONS:
        return found, [Fault(at, "extensions", f"Use at most {MAX_EXTENSIONS} extension attributes.")]
    for name, raw in members.items():
        if not _EXTENSION_NAME.fullmatch(name) or name in TAKEN:
            rule = "Name an extension attribute with 1 to 20 of a-z and 0-9, and not like a member of ours."
            faults.append(Fault(f"{at}/{escape(name)}", "unknown_field", rule))
            continue
        try:
            value = _EXTENSION_DECODER.decode(raw)
        except UNREADABLE as error:
            faults.append(fault_of(error, f"{at}/{name}"))
            continue
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # 7.0 is an integer in JSON
        if isinstance(value, float):
            faults.append(Fault(f"{at}/{name}", "type", "Expected bool | int | str | null."))
        elif isinstance(value, int) and value not in _INT32:
            faults.append(Fault(f"{at}/{name}", "number", "Keep an integer attribute within 32 bits."))
        elif value is not None:
            found[name] = value
            faults += text_faults(value, f"{at}/{name}")
    return found, faults


def _extension_faults(extensions: dict[str, str | int | bool], at: str, now: datetime) -> list[Fault]:
    """Extensions that mean something here (CloudEvents 1.0.2, "Documented extensions"): all of them are strings."""
    faults = []
    if (expiry := extensions.get("expirytime")) is not None:
        try:
            if msgspec.convert(expiry, Moment) <= now:
                faults.append(Fault(f"{at}/expirytime", "expired", "The event expired before it came here."))
        except msgspec.ValidationError:
            faults.append(Fault(f"{at}/expirytime", "time", "Use an RFC 3339 date and time with an offset."))
    reference = extensions.get("dataref", "#")
    if not isinstance(reference, str) or not _URI_REFERENCE.fullmatch(reference):
        faults.append(Fault(f"{at}/dataref", "uri", "Use a URI-reference (RFC 3986)."))
    key = extensions.get("partitionkey", "-")
    if not isinstance(key, str) or key == "":
        faults.append(Fault(f"{at}/partitionkey", "key", "Use a string that is not empty, or leave it out."))
    return faults


def _base64_faults(text: str, *, has_data: bool, at: str) -> list[Fault]:
    faults = []
    if has_data:
        faults.append(Fault(f"{at}/data_base64", "two_data", "Send data or data_base64, not both."))
    try:
        a2b_base64(text, strict_mode=True)
    except (Base64Error, ValueError):
        faults.append(Fault(f"{at}/data_base64", "base64", "Encode the data with base64 (RFC 4648, section 4)."))
    return faults
