"""The figures in memory."""

from collections.abc import Sequence
from datetime import date, datetime

from shared.kit.errors import Unavailable
from shared.status.model import Connections, Consumer, ConsumerLag, DeadLetters, Latency, PartitionLag, Partitions


class MemoryLogFigures:
    """LogFigures of a log that holds what it is told. Set `away` to have it answer as one without brokers does."""

    def __init__(self) -> None:
        self.away = False
        self._records: dict[tuple[str, int], list[datetime]] = {}
        self._first: dict[tuple[str, int], int] = {}
        self._done: dict[tuple[str, str, int], int] = {}

    def append(self, topic: str, partition: int, at: datetime) -> None:
        """Add a record."""
        self._records.setdefault((topic, partition), []).append(at)

    def commit(self, group: str, topic: str, partition: int, offset: int) -> None:
        """Say that a group has done everything before an offset."""
        self._done[group, topic, partition] = offset

    def drop_before(self, topic: str, partition: int, offset: int) -> None:
        """Forget records, as retention does."""
        self._first[topic, partition] = offset

    async def lag(self, consumers: Sequence[Consumer]) -> list[ConsumerLag]:
        if self.away:
            raise Unavailable("No broker tells how far consumers are.")
        return [
            ConsumerLag(
                group=consumer.group,
                topic=consumer.topic.name,
                retention_seconds=consumer.topic.retention_hours * 3600.0,
                partitions=[self._lag(consumer, number) for number in range(consumer.topic.partitions)],
            )
            for consumer in consumers
        ]

    def _lag(self, consumer: Consumer, partition: int) -> PartitionLag:
        place = (consumer.topic.name, partition)
        records, first = self._records.get(place, []), self._first.get(place, 0)
        done = self._done.get((consumer.group, *place))
        following = max(first, done or 0)
        return PartitionLag(
            partition=partition,
            done=done or 0,
            end=len(records),
            lag=len(records) - following,
            lost=0 if done is None else max(0, first - done),
            oldest_at=records[following] if following < len(records) else None,
        )


class MemoryStorageFigures:
    """StorageFigures that are what they are set to. Set `away` to have it answer as an absent database does."""

    def __init__(self) -> None:
        self.away = False
        self.dead = DeadLetters(0)
        self.measured = Latency(sampled=0, p50_ms=None, p95_ms=None, p99_ms=None)
        self.connected = Connections(in_use=3, most=100, budget=60)
        self.days = Partitions(ahead=7, oldest="2026-03-03", default_rows=0)

    async def dead_letters(self) -> DeadLetters:
        self._require()
        return self.dead

    async def latency(self, now: datetime) -> Latency:
        self._require()
        return self.measured

    async def connections(self) -> Connections:
        self._require()
        return self.connected

    async def partitions(self, today: date) -> Partitions:
        self._require()
        return self.days

    def _require(self) -> None:
        if self.away:
            raise Unavailable("The database does not tell its figures.")
