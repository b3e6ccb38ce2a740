"""An event as its sender wrote it, checked but not yet ours."""

import re
from typing import Annotated

import msgspec

from shared.events.content import faults_in
from shared.events.limits import YEARS
from shared.events.model import NO_DATA, Moment
from shared.kit.errors import Fault, Invalid

# No control characters in attributes (CloudEvents 1.0, "Type System"): \Z, because $ lets a newline through.
_PLAIN = r"\A[^\x00-\x1f\x7f-\x9f]*\Z"
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=_PLAIN)]

# The same without the pattern, which cost 1.5 of an event's 7 us: `draft_faults` finds what it would.
Short = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Long = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
Extension = Annotated[str, msgspec.Meta(max_length=1024)] | int | float | bool

# CloudEvents 1.0, "Type System", String: no control characters, and no noncharacters of Unicode.
_NONCHARACTERS = "".join(chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF))
_DISALLOWED = re.compile(f"[\x00-\x1f\x7f-\x9f\ufdd0-\ufdef{_NONCHARACTERS}]")
_TEXTS = ("type", "id", "source", "subject", "datacontenttype", "dataschema")

# What a client makes of /v1/events/<id> is another place for these: a dot segment, or a route of ours.
_UNREADABLE_IDS = frozenset({".", "..", "batch", "validate"})


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What a sender may say of an event. `key` decides its order: `partitionkey` or, in the plain form, `key`.

    `at` is the JSON Pointer to the event in its request: "" where it is the whole of it.
    """

    type: str
    id: str | None = None
    source: str | None = None
    subject: str | None = None
    time: Moment | None = None
    key: str | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None
    data: msgspec.Raw = NO_DATA
    data_base64: str | None = None
    extensions: dict[str, str | int | bool] = msgspec.field(default_factory=dict)
    at: str = ""


class Rejected(msgspec.Struct, frozen=True):
    """What a sender wrote instead of an event. `id` where it could be read."""

    id: str | None
    failure: Invalid


type Parsed = tuple[Draft | None, list[Fault]]
"""An event and what is wrong with it; None where that could not be read at all."""


def draft_faults(draft: Draft, at: str, *, looked_at: bool = False) -> list[Fault]:
    """What a type alone cannot say: characters, the time's range, and data that storage would refuse.

    `looked_at`: the data is known to be no suspect (`content.is_suspect`).
    """
    faults = faults_in(bytes(draft.data), f"{at}/data", looked_at=looked_at)
    if draft.time is not None and draft.time.year not in YEARS:
        faults.append(Fault(f"{at}/time", "time", "Use a time between the years 2 and 9998."))
    if draft.id in _UNREADABLE_IDS:
        faults.append(Fault(f"{at}/id", "id", "Choose another id: the event could not be read back by this one."))
    texts = f"{draft.type}{draft.id}{draft.source}{draft.subject}{draft.key}{draft.datacontenttype}{draft.dataschema}"
    if not texts.isprintable():
        # A key that came as an extension was looked at as such.
        names = _TEXTS if "partitionkey" in draft.extensions else (*_TEXTS, "key")
        faults += [fault for name in names for fault in text_faults(getattr(draft, name), f"{at}/{name}")]
    return faults


def is_in_order(draft: Draft) -> bool:
    """Whether `draft_faults` finds nothing, where data is no suspect and texts cannot hold what they may not."""
    return (draft.time is None or draft.time.year in YEARS) and draft.id not in _UNREADABLE_IDS


def text_faults(text: object, at: str) -> list[Fault]:
    """Whether `text`, if it is one, holds characters that no attribute may."""
    if not isinstance(text, str) or text.isprintable() or _DISALLOWED.search(text) is None:
        return []
    return [Fault(at, "characters", "Remove control characters.")]
