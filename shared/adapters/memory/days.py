"""The days of storage in memory."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date

from shared.events.days import Kept, TypeOf
from shared.kit.errors import Unavailable


class MemoryDays:
    """EventDays over lists. Set `locked` to have it answer as one whose tables others hold."""

    def __init__(self) -> None:
        self.places: dict[date, list[TypeOf]] = {}
        self.outside: list[tuple[date, TypeOf]] = []
        self.counts: Counter[tuple[date, TypeOf]] = Counter()
        self.retention: dict[TypeOf, int] = {}
        self.locked = False

    def put(self, day: date, kind: TypeOf) -> None:
        """Store an event."""
        if day in self.places:
            self.places[day].append(kind)
        else:
            self.outside.append((day, kind))
        self.counts[day, kind] += 1

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["MemoryDays"]:
        """Itself."""
        yield self

    async def days(self) -> list[date]:
        return sorted(self.places)

    async def strays(self) -> Mapping[date, int]:
        return Counter(day for day, _ in self.outside)

    async def make(self, day: date) -> int:
        if day in self.places:
            return 0
        self._require()
        moved = [kind for its, kind in self.outside if its == day]
        self.outside = [stray for stray in self.outside if stray[0] != day]
        self.places[day] = moved
        return len(moved)

    async def kept(self) -> Kept:
        return Kept(dict(self.retention))

    async def types(self, day: date) -> Sequence[TypeOf]:
        return sorted(set(self.places[day]), key=lambda kind: (kind.tenant, kind.type))

    async def give_up(self, day: date, kept: Kept, today: date) -> bool:
        if any(not kept.is_over(kind, day, today) for kind in self.places[day]):
            return False
        self._require()
        del self.places[day]
        for key in [key for key in self.counts if key[0] == day]:
            del self.counts[key]
        return True

    async def remove(self, day: date, kind: TypeOf, *, limit: int) -> int:
        there = self.places[day]
        before = len(there)
        for _ in range(min(limit, there.count(kind))):
            there.remove(kind)
        removed = before - len(there)
        if removed < limit:
            self.counts.pop((day, kind), None)
        return removed

    async def remove_strays(self, *, before: date, limit: int) -> int:
        over = [stray for stray in self.outside if stray[0] < before][:limit]
        for stray in over:
            self.outside.remove(stray)
        return len(over)

    async def forget_counts(self, *, before: date, limit: int) -> int:
        over = [key for key in self.counts if key[0] < before][:limit]
        for key in over:
            del self.counts[key]
        return len(over)

    def _require(self) -> None:
        if self.locked:
            raise Unavailable("A table was locked.")
