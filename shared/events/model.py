"""What an event is, from the moment it is accepted, and what became of it."""

from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec

from shared.kit.ids import uuid8

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A date and time that knows its offset."""

NO_DATA = msgspec.Raw()
"""Where an event has no `data`. JSON's null is data, and is something else."""


def written(data: msgspec.Raw) -> bytes | None:
    """The JSON that `data` stands for, or None where there is none."""
    return bytes(data) or None


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One accepted event, as it travels in the log and lies in storage.

    `key` is the event's identity in storage, `partition_key` decides its place in the log. `data` is the sender's
    JSON, byte for byte; `data_base64` stands instead of it where the sender's data was not JSON (CloudEvents 1.0,
    JSON format 3.1.1). `received_at` is stamped here once and travels along, so a redelivered record meets its own
    row. Tenant, principal, received time and trace are the server's: a client cannot set them. `spooled_at` is when the
    event was put into the spool, if it came that way; `waiter` is whom to tell once it is stored, if somebody waits.

    An event that was a dead letter says when it was `redriven_at`, and how many `attempts` to store it failed before.
    `job` is what put it into the log again, `<job id>:<ordinal>`, by which that job knows it there.
    """

    key: UUID
    tenant: str
    principal: str
    id: str
    source: str
    type: str
    partition_key: str
    received_at: Moment
    subject: str | None = None
    time: Moment | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None
    data: msgspec.Raw = NO_DATA
    data_base64: str | None = None
    extensions: dict[str, str | int | bool] = msgspec.field(default_factory=dict)
    traceparent: str | None = None
    spooled_at: Moment | None = None
    waiter: str | None = None
    redriven_at: Moment | None = None
    attempts: int = 0
    job: str | None = None

    @property
    def received_day(self) -> date:
        """The day, in UTC, whose partition of the table holds the event."""
        return self.received_at.astimezone(UTC).date()


def event_key(tenant: str, source: str, id_: str) -> UUID:
    """The key of an event: the same event sent twice on one day meets its own row.

    Ids that the server mints are hashed too. Their event may be sent again under that id after an unknown outcome, and
    must then have the same key; and an id taken as the key itself would let one tenant occupy another's.
    """
    return uuid8(tenant, source, id_)


class Position(msgspec.Struct, frozen=True):
    """Where in the log an event lies."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"


class Appended(msgspec.Struct, frozen=True):
    """The broker has the event, with acks=all, at this position."""

    position: Position


class NotAppended(msgspec.Struct, frozen=True):
    """No acknowledgement came in time.

    `sent` says whether a broker may have been given the event: then it may or may not be in the log, and only a resend
    settles it. Otherwise it is certainly not there.
    """

    reason: str
    sent: bool = True


class Spooled(msgspec.Struct, frozen=True):
    """The spool has the event, durably, and will bring it to the log."""

    at: datetime


class RawRecord(msgspec.Struct, frozen=True):
    """A record as the log hands it out. `value` is None for a tombstone, which no producer of ours writes.

    `timestamp_ms` is the log's, in milliseconds since 1970.
    """

    topic: str
    partition: int
    offset: int
    value: bytes | None
    key: bytes | None = None
    timestamp_ms: int = 0


class LogRecord(msgspec.Struct, frozen=True):
    """An event together with the place the log gave it."""

    event: Event
    position: Position


class StoredEvent(msgspec.Struct, frozen=True):
    """A row of storage, read back. `stored_at` is the database's clock."""

    event: Event
    position: Position
    stored_at: datetime


class Outcome(StrEnum):
    """What became of one record of a batch."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    INVALID = "invalid"
    UNAVAILABLE = "unavailable"
