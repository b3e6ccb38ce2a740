"""How far behind everything is, in figures: what is not known is None, and never a guess."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from shared.events.topics import DEAD_EVENTS, EVENTS, Topic


class Consumer(msgspec.Struct, frozen=True):
    """A consumer group, and the topic that it reads."""

    group: str
    topic: Topic


CONSUMERS = (Consumer("persist", EVENTS), Consumer("bury", DEAD_EVENTS))
"""Whoever takes records away for good. A record that the topic drops before they come to it is lost."""

LATENCY_SECONDS = 300
"""What was stored in these last seconds tells how long storing takes."""

COUNTED = 100_000
"""Rows are counted up to here: beyond it, more tells nothing that is not known already."""


class PartitionLag(msgspec.Struct, frozen=True, kw_only=True):
    """One partition. `done` is the offset up to which the group has done its work, `end` where the next record goes.

    `lag` counts the records in between that are still there, `lost` those that the topic has dropped undone.
    `oldest_at` is the log's timestamp of the first record that is not done; None where there is none.
    """

    partition: int
    done: int
    end: int
    lag: int
    lost: int
    oldest_at: datetime | None


class ConsumerLag(msgspec.Struct, frozen=True, kw_only=True):
    """One consumer group. `retention_seconds` is the topic's as its broker tells it; None: it keeps everything."""

    group: str
    topic: str
    retention_seconds: float | None
    partitions: Sequence[PartitionLag]

    @property
    def lag(self) -> int:
        """Records that are not done."""
        return sum(each.lag for each in self.partitions)

    @property
    def lost(self) -> int:
        """Records that were never done, and are gone."""
        return sum(each.lost for each in self.partitions)

    def oldest_age_seconds(self, now: datetime) -> float | None:
        """How long the oldest record that is not done has waited; None where nothing waits."""
        moments = [each.oldest_at for each in self.partitions if each.oldest_at is not None]
        return max(0.0, (now - min(moments)).total_seconds()) if moments else None

    def time_to_loss_seconds(self, now: datetime) -> float | None:
        """After how long the topic drops that record, if nobody comes to it; None where nothing waits, or it stays."""
        age = self.oldest_age_seconds(now)
        if age is None or self.retention_seconds is None:
            return None
        return max(0.0, self.retention_seconds - age)


class DeadLetters(msgspec.Struct, frozen=True):
    """Letters that wait for somebody to redrive or discard them; at most 100,000 are counted."""

    dead: int


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """From acceptance to the row, of up to some ten thousand of the events stored in the last 5 minutes, the newest.

    Those received before yesterday are left out, unless their day has no partition.
    None where none was stored.
    """

    sampled: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class Connections(msgspec.Struct, frozen=True, kw_only=True):
    """Connections to the writer: in use, the most that it takes, and how many we allow ourselves."""

    in_use: int
    most: int
    budget: int


class Partitions(msgspec.Struct, frozen=True, kw_only=True):
    """Days that have a partition: how many after today without a gap, and the oldest.

    `default_rows` lie in the default partition, where none should; at most 100,000 are counted.
    """

    ahead: int
    oldest: str | None
    default_rows: int


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """All of it at one moment. A section is None where its part did not answer in time."""

    at: datetime
    consumers: Sequence[ConsumerLag] | None
    dead_letters: DeadLetters | None
    latency: Latency | None
    connections: Connections | None
    partitions: Partitions | None
