"""The days of storage in memory."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date

from shared.events.days import DayRefused, Kept, TypeOf
from shared.kit.errors import Unavailable


class MemoryDays:
    """EventDays over lists. Set `locked` to have it answer as one whose tables others hold.

    `refused` are days that it makes no place for.
    """

    def __init__(self) -> None:
        self.places: dict[date, list[TypeOf]] = {}
        self.outside: list[tuple[date, TypeOf]] = []
        self.counts: Counter[tuple[date, TypeOf]] = Counter()
        self.retention: dict[TypeOf, int] = {}
        self.locked = False
        self.refused: set[date] = set()

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
        if day in self.refused:
            raise DayRefused("It is refused.")
        moved = [kind for its, kind in self.outside if its == day]
        self.outside = [stray for stray in self.outside if stray[0] != day]
        self.places[day] = moved
        return len(moved)

    async def kept(self) -> Kept:
        return Kept(dict(self.retention))

    async def types(self, day: date) -> Sequence[TypeOf]:
        return sorted(set(self.places[day]), key=lambda kind: (kind.tenant, kind.type))

    async def give_up(self, day: date, today: date) -> bool:
        kept = await self.kept()
        if any(not kept.is_over(kind, day, today) for kind in self.places[day]):
            return False
        self._require()
        del self.places[day]
        return True

    async def remove(self, day: date, kind: TypeOf, today: date, *, limit: int) -> int:
        if not (await self.kept()).is_over(kind, day, today):
            return 0
        there = self.places[day]
        before = len(there)
        for _ in range(min(limit, there.count(kind))):
            there.remove(kind)
        if kind not in there:
            self.counts.pop((day, kind), None)
        return before - len(there)

    async def remove_strays(self, today: date, *, limit: int) -> int:
        before = (await self.kept()).all_over_before(today)
        over = [stray for stray in self.outside if stray[0] < before][:limit]
        for stray in over:
            self.outside.remove(stray)
        return len(over)

    async def counted(self) -> list[date]:
        return sorted({day for day, _ in self.counts})

    async def forget_counts(self, day: date, *, limit: int) -> int:
        if self.places.get(day) or any(its == day for its, _ in self.outside):
            return 0
        over = [key for key in self.counts if key[0] == day][:limit]
        for key in over:
            del self.counts[key]
        return len(over)

    def _require(self) -> None:
        if self.locked:
            raise Unavailable("A table was locked.")
