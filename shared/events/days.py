"""The days that storage keeps events by: made ahead, so that none is missing, and given up behind."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Protocol

import msgspec

RETENTION_DAYS = 30
"""How long events of a type are kept that nobody has defined, or whose definition does not say."""

DAYS_BEHIND = 1  # events accepted before midnight and stored after it
DAYS_AHEAD = 7


def days_around(today: date) -> list[date]:
    """The days that must be there, today the first."""
    distances = (*range(DAYS_AHEAD + 1), *range(-DAYS_BEHIND, 0))
    return [today + timedelta(days=distance) for distance in distances]


class TypeOf(msgspec.Struct, frozen=True):
    """A type, and whose it is."""

    tenant: str
    type: str


class Kept(msgspec.Struct, frozen=True):
    """How many whole days events are kept after the one they were received on, by the current version of their type."""

    types: Mapping[TypeOf, int]

    def is_over(self, kind: TypeOf, day: date, today: date) -> bool:
        """Whether nobody needs the events of this type and day any more."""
        return day + timedelta(days=self.types.get(kind, RETENTION_DAYS)) < today

    def all_over_before(self, today: date) -> date:
        """The first day of which something may still be needed."""
        return today - timedelta(days=max((RETENTION_DAYS, *self.types.values())))

    def some_over_before(self, today: date) -> date:
        """The first day of which everything is still needed."""
        return today - timedelta(days=min((RETENTION_DAYS, *self.types.values())))


class DayRefused(Exception):
    """The place of a day cannot be made, now or later: somebody has to look. The message says why."""


class EventDays(Protocol):
    """Storage by day: a place for each, and one more for events of a day that has none.

    What is asked here can be repeated, and may be killed anywhere: a method's work is done as a whole or not at all.
    What makes a place or gives it up locks out those who store for a moment, and waits for a lock of theirs 0.5 s at
    most. Where strays are moved the moment grows with them, to 4 s at most; if whoever asked is stopped in the middle
    it ends 2 s later. Readers see every event once, before and after.
    """

    async def days(self) -> list[date]:
        """The days that have a place, in order."""
        ...

    async def strays(self) -> Mapping[date, int]:
        """Events that lie outside of any day's place, by their day: the first 100,000 of them are counted.

        A day with none is one whose place is half made.
        """
        ...

    async def make(self, day: date) -> int:
        """Make the place of a day, unless it is there, and say how many strays were moved into it.

        Raises:
            Unavailable: a lock was not given soon, or the work would have taken too long. Nothing was changed.
            DayRefused: more than 50,000 strays would have to be moved, or something that is not ours to touch is in
                its place. Its events stay strays, as readable as before.
        """
        ...

    async def kept(self) -> Kept:
        """What the current version of every tenant's types says."""
        ...

    async def types(self, day: date) -> Sequence[TypeOf]:
        """The types that have events in the place of a day."""
        ...

    async def give_up(self, day: date, today: date) -> bool:
        """Give up the place of a day, unless an event in it is needed, and say whether.

        What counts is how long types are kept at that moment.

        Raises:
            Unavailable: a lock was not given soon. Nothing was changed.
        """
        ...

    async def remove(self, day: date, kind: TypeOf, today: date, *, limit: int) -> int:
        """Remove up to `limit` events of a type from a day, unless they are needed by now, and say how many.

        With the last of them goes what was counted of that type and day.
        """
        ...

    async def remove_strays(self, today: date, *, limit: int) -> int:
        """Remove up to `limit` strays of days of which nothing is needed any more, and say how many."""
        ...

    async def counted(self) -> list[date]:
        """The days of which something was counted, in order."""
        ...

    async def forget_counts(self, day: date, *, limit: int) -> int:
        """Remove up to `limit` counts of a day, unless an event of it is there, and say how many."""
        ...
