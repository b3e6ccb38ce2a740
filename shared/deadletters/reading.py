"""What can still be read in bytes that are no event, or one that cannot be stored.

Member by member: what is of another type, too long, or holds U+0000, which PostgreSQL refuses, is as if it were not
there, and takes nothing else with it. The bytes themselves are kept whole, so nothing is lost by that.
"""

from contextlib import suppress
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from shared.events.limits import MAX_EXTENSIONS, YEARS
from shared.events.model import Moment

_LONGEST_NAME = 255
_STORABLE = r"\A[^\x00]*\Z"
Short = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=_STORABLE)]
Long = Annotated[str, msgspec.Meta(min_length=1, max_length=1024, pattern=_STORABLE)]
Extension = Annotated[str, msgspec.Meta(max_length=1024, pattern=_STORABLE)] | bool | int


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """The members of an envelope, each where it can be read. A CloudEvent's are named the same."""

    tenant: Short | None = None
    principal: Short | None = None
    id: Short | None = None
    source: Long | None = None
    type: Short | None = None
    subject: Long | None = None
    key: UUID | None = None
    partition_key: Long | None = None
    received_at: Moment | None = None
    spooled_at: Moment | None = None
    time: Moment | None = None
    datacontenttype: Short | None = None
    dataschema: Long | None = None
    extensions: dict[str, msgspec.Raw] | None = None
    traceparent: Short | None = None
    data_base64: msgspec.Raw | None = None

    @property
    def named(self) -> dict[str, str | None]:
        """What the event says of itself, as letters have it."""
        return {"event_id": self.id, "source": self.source, "type": self.type, "subject": self.subject}

    @property
    def storable_extensions(self) -> dict[str, str | int | bool]:
        """The extension attributes, each where it can be read, and no more than an event may have."""
        found: dict[str, str | int | bool] = {}
        for name, raw in (self.extensions or {}).items():
            with suppress(*_UNREADABLE):
                if "\0" not in name and len(name) <= _LONGEST_NAME and len(found) < MAX_EXTENSIONS:
                    found[name] = _EXTENSION.decode(raw)
        return found


_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_EXTENSION: msgspec.json.Decoder[str | int | bool] = msgspec.json.Decoder(Extension)
_DECODERS = {field.name: msgspec.json.Decoder(field.type) for field in msgspec.structs.fields(Reading)}


def read(value: bytes | None) -> Reading:
    """What `value` says, if it is a JSON object at all."""
    try:
        members = _MEMBERS.decode(value or b"")
    except _UNREADABLE:
        return Reading()
    found = {}
    for name in _DECODERS.keys() & members.keys():
        with suppress(*_UNREADABLE):
            member = _DECODERS[name].decode(members[name])
            if not isinstance(member, datetime) or member.year in YEARS:
                found[name] = member
    return Reading(**found)
