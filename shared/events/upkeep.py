"""One run over the days of storage: those ahead are made, strays go to their day, and what is over goes away."""

import logging
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, date
from typing import Protocol

import msgspec

from shared.events.days import DayRefused, EventDays, Kept, days_around
from shared.kit.clock import Clock
from shared.kit.deadline import Deadline
from shared.kit.errors import Unavailable

_LOG = logging.getLogger(__name__)

_BATCH = 5_000  # events removed in one transaction, which takes some 50 ms


class Opened(Protocol):
    """A way to the days."""

    def __call__(self) -> AbstractAsyncContextManager[EventDays]:
        """The days, as long as the block lasts; nobody else changes their places meanwhile.

        Raises:
            Unavailable: the database does not answer, or another one is at it.
        """
        ...


class Upkept(msgspec.Struct, kw_only=True):
    """What a run has done, in days and in events.

    `strays` were found outside of any day's place. `days_refused` are those that somebody has to look at. `locked`
    says that a lock was not to be had: whoever asked for the next one would hold up again those who store, so that is
    left to the next run. `finished` is False where time ran out before the work did.
    """

    days_made: int = 0
    days_refused: int = 0
    days_given_up: int = 0
    strays: int = 0
    moved: int = 0
    removed: int = 0
    locked: bool = False
    finished: bool = True


class Upkeep:
    """Keeps the days. Every step is whole by itself, and none needs to know how far the run before came."""

    def __init__(self, opened: Opened, clock: Clock) -> None:
        self._opened = opened
        self._clock = clock

    async def __call__(self, deadline: Deadline) -> Upkept:
        """Do as much as there is time for, what is missing ahead first.

        Raises:
            Unavailable: as the way to the days does.
        """
        async with self._opened() as days:
            return await _Run(days, self._clock.now().astimezone(UTC).date(), deadline).all()


class _Run:
    def __init__(self, days: EventDays, today: date, deadline: Deadline) -> None:
        self._days = days
        self._today = today
        self._deadline = deadline
        self._done = Upkept()

    async def all(self) -> Upkept:
        kept = await self._days.kept()
        strays = await self._days.strays()
        await self._make(kept, strays)
        await self._remove_strays(kept, strays)
        await self._end(kept)
        self._done.strays = sum(strays.values())
        if self._done.strays:
            told = {"strays": self._done.strays, "moved": self._done.moved, "days": sorted(map(str, strays))}
            # What comes to a day that was given up already is late. To one that had to be there it is a fault of ours.
            late = max(strays) < min(days_around(self._today))
            _LOG.log(logging.WARNING if late else logging.ERROR, "maintain.default_partition", extra=told)
        return self._done

    async def _make(self, kept: Kept, strays: Mapping[date, int]) -> None:
        there = set(await self._days.days())
        needed = kept.all_over_before(self._today)
        missing = [day for day in days_around(self._today) if day not in there]
        homeless = (day for day, count in strays.items() if day >= needed or not count)
        missing += sorted(day for day in homeless if day not in missing and day not in there)
        for day in missing:
            if self._done.locked or not self._has_time():
                return
            try:
                self._done.moved += await self._days.make(day)
                self._done.days_made += 1
            except DayRefused as error:
                self._done.days_refused += 1
                _LOG.error("maintain.day_refused", extra={"day": str(day), "why": str(error)})
            except Unavailable:
                self._done.locked = True

    async def _remove_strays(self, kept: Kept, strays: Mapping[date, int]) -> None:
        """Those that are over: a place would be made only to be given up."""
        before = kept.all_over_before(self._today)
        if any(day < before for day in strays):
            while self._has_time():
                count = await self._days.remove_strays(self._today, limit=_BATCH)
                self._done.removed += count
                if count < _BATCH:
                    break

    async def _end(self, kept: Kept) -> None:
        untouched = kept.some_over_before(self._today)
        for day in await self._days.days():
            if day < untouched and self._has_time():
                await self._end_of(day, kept)
        for day in await self._days.counted():
            if day < untouched:
                await self._forget_counts(day)

    async def _forget_counts(self, day: date) -> None:
        """Those of a day that is gone: not with it, because nobody can store while a day is given up."""
        while self._has_time() and await self._days.forget_counts(day, limit=_BATCH) == _BATCH:
            pass

    async def _end_of(self, day: date, kept: Kept) -> None:
        over = [kind for kind in await self._days.types(day) if kept.is_over(kind, day, self._today)]
        if not self._done.locked and await self._give_up(day):
            return
        for kind in over:
            while self._has_time():
                count = await self._days.remove(day, kind, self._today, limit=_BATCH)
                self._done.removed += count
                if count < _BATCH:
                    break

    async def _give_up(self, day: date) -> bool:
        try:
            given_up = await self._days.give_up(day, self._today)
        except Unavailable:
            self._done.locked = True
            return False
        self._done.days_given_up += given_up
        return given_up

    def _has_time(self) -> bool:
        self._done.finished = self._done.finished and self._deadline.left() > 0
        return self._done.finished
