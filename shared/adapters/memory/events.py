"""The event ports in memory: for tests, and as the plainest reading of each promise."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime
from uuid import UUID

from shared.events.model import Appended, Event, LogRecord, NotAppended, Outcome, Position, StoredEvent
from shared.events.ports import EventFilter, Keyset, Refused
from shared.kit.clock import Clock, SystemClock
from shared.kit.errors import Unavailable


class MemoryEventLog:
    """An EventLog of `partitions` lists. Set `away` to have it answer as a log without brokers does.

    Set `unsure` besides to have it answer as one whose brokers went silent after they were given the events.
    """

    def __init__(self, partitions: int = 12, clock: Clock | None = None) -> None:
        self.partitions: list[list[Event]] = [[] for _ in range(partitions)]
        self.appended: list[list[datetime]] = [[] for _ in range(partitions)]
        self._clock = clock or SystemClock()
        self.away = False
        self.unsure = False

    async def append(self, events: Sequence[Event], *, within: float | None = None) -> list[Appended | NotAppended]:
        if self.away:
            return [NotAppended("the log is away", self.unsure)] * len(events)
        return [Appended(self._append(event)) for event in events]

    async def check(self) -> None:
        if self.away:
            raise Unavailable("No broker answers.")

    def records(self) -> list[LogRecord]:
        """Everything that was appended, partition by partition."""
        return [
            LogRecord(event, Position(partition, offset))
            for partition, events in enumerate(self.partitions)
            for offset, event in enumerate(events)
        ]

    def _append(self, event: Event) -> Position:
        number = hash((event.tenant, event.partition_key)) % len(self.partitions)
        self.partitions[number].append(event)
        self.appended[number].append(self._clock.now())
        return Position(number, len(self.partitions[number]) - 1)


class MemoryEventStore:
    """An EventStore and an EventReader over one dictionary. Set `away` to have it answer as an absent database does.

    It refuses what has U+0000 in its attributes. `counts` has the events of each minute, tenant, type and partition.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._rows: dict[tuple[object, ...], StoredEvent] = {}
        self.counts: Counter[tuple[object, ...]] = Counter()
        self._clock = clock or SystemClock()
        self.letters: dict[tuple[str, str, str], list[UUID]] = {}  # by tenant, source and id, the last first
        self.away = False

    async def store(self, records: Sequence[LogRecord]) -> list[Outcome] | Refused:
        if self.away:
            return [Outcome.UNAVAILABLE] * len(records)
        if reasons := await self.examine(records):
            return Refused(reasons, len(records))
        return [self._store(record) for record in records]

    async def examine(self, records: Sequence[LogRecord]) -> dict[int, str]:
        self._require()
        return {
            place: f"Storage cannot hold U+0000 in its {name}."
            for place, record in enumerate(records)
            for name in ("tenant", "principal", "id", "source", "type", "subject", "partition_key")
            if "\0" in (getattr(record.event, name) or "")
        }

    async def by_id(self, tenant: str, id_: str, source: str | None) -> list[StoredEvent]:
        self._require()
        found = [
            row
            for row in self._rows.values()
            if (row.event.tenant, row.event.id) == (tenant, id_) and source in (None, row.event.source)
        ]
        return sorted(found, key=_order, reverse=True)[:10]

    async def page(
        self, tenant: str, where: EventFilter, *, after: Keyset | None, limit: int, descending: bool
    ) -> list[StoredEvent]:
        self._require()
        rows = [row for row in self._rows.values() if row.event.tenant == tenant and _matches(row.event, where)]
        rows.sort(key=_order, reverse=descending)
        if after is not None:
            edge = (after.received_at, after.key)
            rows = [row for row in rows if (_order(row) < edge if descending else _order(row) > edge)]
        return rows[:limit]

    async def dead(self, tenant: str, id_: str, source: str | None) -> list[UUID]:
        self._require()
        found = [
            letter
            for (owner, of, named), letters in self.letters.items()
            if (owner, named) == (tenant, id_) and source in (None, of)
            for letter in letters
        ]
        return found[:10]

    def remove(self, tenant: str, subject: str, day: date, key: UUID) -> None:
        """Remove a row, if it is the tenant's and the subject's."""
        row = self._rows.get((day, key))
        if row is not None and (row.event.tenant, row.event.subject) == (tenant, subject):
            del self._rows[day, key]

    def _require(self) -> None:
        if self.away:
            raise Unavailable("The database does not answer.")

    def _store(self, record: LogRecord) -> Outcome:
        identity = (record.event.received_day, record.event.key)
        if identity in self._rows:
            return Outcome.DUPLICATE
        self._rows[identity] = StoredEvent(record.event, record.position, self._clock.now())
        minute = record.event.received_at.astimezone(UTC).replace(second=0, microsecond=0)
        self.counts[minute, record.event.tenant, record.event.type, record.position.partition] += 1
        return Outcome.STORED


def _order(row: StoredEvent) -> tuple[object, ...]:
    return (row.event.received_at.astimezone(UTC), str(row.event.key))


def _matches(event: Event, where: EventFilter) -> bool:
    equal = all(
        wanted is None or wanted == actual
        for wanted, actual in (
            (where.type, event.type),
            (where.source, event.source),
            (where.subject, event.subject),
        )
    )
    since = where.since is None or event.received_at >= where.since
    until = where.until is None or event.received_at < where.until
    return equal and since and until
