"""The log as jobs read it, in memory."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

from shared.adapters.memory.events import MemoryEventLog, MemoryEventStore
from shared.events.envelope import encode
from shared.events.model import Event, Position, RawRecord
from shared.events.ports import EventFilter
from shared.events.topics import EVENTS
from shared.jobs.ports import READ_BYTES, Span
from shared.kit.errors import NotFound, Unavailable


class MemoryLogReader:
    """A LogReader of a log in memory. It has lost what lies before `first` of each partition."""

    def __init__(self, log: MemoryEventLog) -> None:
        self._log = log
        self.first: dict[int, int] = {}

    async def starts(self) -> dict[int, int]:
        self._require()
        return {partition: self.first.get(partition, 0) for partition in range(len(self._log.partitions))}

    async def ends(self) -> dict[int, int]:
        self._require()
        return {partition: len(events) for partition, events in enumerate(self._log.partitions)}

    async def since(self, moment: datetime) -> dict[int, int]:
        ends = await self.ends()
        return {
            partition: next(
                (
                    offset
                    for offset, appended in enumerate(self._log.appended[partition])
                    if offset >= self.first.get(partition, 0) and appended >= moment
                ),
                end,
            )
            for partition, end in ends.items()
        }

    async def read(
        self, start: Mapping[int, int], end: Mapping[int, int], *, records: int, size: int = READ_BYTES
    ) -> Span:
        self._require()
        found: list[RawRecord] = []
        following: dict[int, int] = {}
        for partition, upto in end.items():
            at = start.get(partition, 0)
            if at < min(self.first.get(partition, 0), upto):
                raise NotFound("The log does not have these records any more.")
            while at < upto and len(found) < records:
                record = self._record(partition, at)
                size -= len(record.value or b"")
                if found and size < 0:
                    break
                found.append(record)
                at += 1
            following[partition] = at
        return Span(found, following)

    def _record(self, partition: int, offset: int) -> RawRecord:
        value = encode(self._log.partitions[partition][offset])
        timestamp_ms = int(self._log.appended[partition][offset].timestamp() * 1000)
        return RawRecord(EVENTS.name, partition, offset, value, timestamp_ms=timestamp_ms)

    def _require(self) -> None:
        if self._log.away:
            raise Unavailable("No broker answers.")


class MemoryConsumers:
    """A Consumers that is as far as `committed` says."""

    def __init__(self) -> None:
        self.committed: dict[int, int] = {}
        self.away = False

    async def behind(self, ends: Mapping[int, int]) -> int:
        if self.away:
            raise Unavailable("No broker answers.")
        return sum(max(0, end - self.committed.get(partition, 0)) for partition, end in ends.items())


class MemoryRows:
    """A Rows over a store in memory."""

    def __init__(self, store: MemoryEventStore) -> None:
        self._store = store

    async def missing(self, events: Sequence[Event]) -> set[UUID]:
        there = await self.places(events)
        return {event.key for event in events if (event.received_day, event.key) not in there}

    async def places(self, events: Sequence[Event]) -> dict[tuple[date, UUID], Position]:
        asked = {(event.received_day, event.key) for event in events}
        found = [row for each in events for row in await self._store.by_id(each.tenant, each.id, each.source)]
        places = {(row.event.received_day, row.event.key): row.position for row in found}
        return {identity: place for identity, place in places.items() if identity in asked}

    async def counted(self, tenant: str, where: EventFilter) -> int | None:
        if where.source is not None or where.subject is not None:
            return None
        return len(await self._store.page(tenant, where, after=None, limit=1_000_000, descending=False))
