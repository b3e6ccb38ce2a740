"""What an event type is: versions of a definition, none of which ever changes."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

type Mode = Literal["enforce", "warn", "off"]
type Compatibility = Literal["none", "backward", "forward", "full"]

DAY_SECONDS = 24 * 3600


class Definition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a tenant asks of a type.

    `schema` is a JSON Schema of draft 2020-12 for an event's `data`. `mode` says what a fault means: the event is
    rejected, accepted with a warning, or not looked at. `compatibility` is what the next version owes this one:
    `backward`, that it takes whatever this one takes; `forward`, the reverse; `full`, both. `key_path` is a JSON
    Pointer into `data` to the text or number that decides an event's order where its sender names none.
    `dedup_window` is in seconds.
    """

    schema: msgspec.Raw
    mode: Mode = "enforce"
    compatibility: Compatibility = "backward"
    key_path: Annotated[str, msgspec.Meta(max_length=255, pattern=r"\A(/([^~/\x00-\x1f]|~[01])*)+\Z")] | None = None
    retention_days: int | float = 30
    dedup_window: int | float = DAY_SECONDS

    def __post_init__(self) -> None:
        for name, most in (("retention_days", 3650), ("dedup_window", 7 * DAY_SECONDS)):
            value = getattr(self, name)
            if not (1 <= value <= most and value == int(value)):
                raise ValueError(f"Expected `{name}` to be a whole number from 1 to {most}, got another")
            msgspec.structs.force_setattr(self, name, int(value))  # 30.0 is an integer in JSON Schema's eyes


class EventType(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a type, numbered from 1 without gaps. Time and principal are those of its making."""

    type: str
    version: int
    definition: Definition
    created_at: datetime
    created_by: str
