"""What an event type is: versions of a definition, none of which ever changes."""

from datetime import datetime
from typing import Literal

import msgspec

from shared.events.days import RETENTION_DAYS
from shared.kit.clock import DAY_SECONDS

type Mode = Literal["enforce", "warn", "off"]
type Compatibility = Literal["none", "backward", "forward", "full"]


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """What a tenant asks of a type.

    `schema` is a JSON Schema of draft 2020-12 for an event's `data`. `mode` says what a fault means: the event is
    rejected, accepted with a warning, or not looked at. `compatibility` is what the next version owes this one:
    `backward`, that it takes whatever this one takes; `forward`, the reverse; `full`, both. `key_path` is a JSON
    Pointer into `data` to the text or number that decides an event's order where its sender names none.
    `dedup_window` is in seconds; `retention_days` are whole days after the one on which an event was received.
    """

    schema: msgspec.Raw
    mode: Mode = "enforce"
    compatibility: Compatibility = "backward"
    key_path: str | None = None
    retention_days: int = RETENTION_DAYS
    dedup_window: int = DAY_SECONDS


class EventType(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a type, numbered from 1 without gaps. Time and principal are those of its making."""

    type: str
    version: int
    definition: Definition
    created_at: datetime
    created_by: str
