"""The only place where topic names are written."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topic:
    """A Kafka topic as it is created. `partitions` never shrinks: keys would move."""

    name: str
    partitions: int
    retention_hours: int


EVENTS = Topic("events", partitions=12, retention_hours=7 * 24)
DEAD_EVENTS = Topic("events.dead", partitions=12, retention_hours=14 * 24)
TOPICS = (EVENTS, DEAD_EVENTS)
