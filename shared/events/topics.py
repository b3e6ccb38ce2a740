"""The only place where topic names are written."""

from dataclasses import dataclass

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Topic:
    """A Kafka topic as it is created. `partitions` never shrinks: keys would move.

    `max_record_bytes` is what the broker takes at most in one batch of records, compressed; None leaves it at the
    broker's own limit (1 MiB where nobody changed it).
    """

    name: str
    partitions: int
    retention_hours: int
    max_record_bytes: int | None = None
    segment_hours: int = 24

    @property
    def longest_hours(self) -> int:
        """How long a record can live: its segment goes as one, when the last of it is old. One hour for the broker."""
        return self.retention_hours + self.segment_hours + 1


EVENTS = Topic("events", partitions=12, retention_hours=7 * 24)
# A letter holds a whole record of `events` in base64, and may not be refused for that.
DEAD_EVENTS = Topic("events.dead", partitions=12, retention_hours=14 * 24, max_record_bytes=2 * _MIB)
TOPICS = (EVENTS, DEAD_EVENTS)
