"""How much of a partition is poison, and when that is too much."""

from collections import deque
from collections.abc import Iterator, Sequence

import msgspec

WINDOW = 1000
"""Records of a partition that a share is taken of: the last ones, that which is judged included."""

LEAST = 20
"""Poison of a window that it takes: a few records are no share, however few there are in all."""

_KEPT = WINDOW + 10_000
"""Records remembered: the largest batch may come again, and is then judged by the same window as the first time."""

type Partition = tuple[str, int]
"""A topic's name and a number."""


class Stop(msgspec.Struct, frozen=True):
    """The partition goes no further than the record at `place` of those judged. `share` is of the window up to it."""

    place: int
    share: float


class PoisonShare:
    """Judges the records of each partition by the share of poison among the last ones of it.

    A record stops its partition when it is poison itself, at least 20 of the window are, and more than `limit` (0 to 1)
    of it. What is judged is not remembered: only what was done is noted, and a record that is noted again is the same
    record, so a batch that comes again is judged as it was. With a limit of 1 nothing ever stops.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._histories: dict[Partition, _History] = {}

    def judge(self, partition: Partition, offsets: Sequence[int], poison: Sequence[bool]) -> Stop | None:
        """The first of the records at `offsets`, in ascending order, that stops the partition. Remembers nothing."""
        if not offsets or sum(poison) == 0:
            return None
        history = self._histories.get(partition)
        window = deque(history.before(offsets[0]) if history else (), WINDOW)
        bad = sum(window)
        for place, is_poison in enumerate(poison):
            bad += is_poison - (window[0] if len(window) == WINDOW else False)
            window.append(is_poison)
            if is_poison and bad >= LEAST and bad > self._limit * len(window):
                return Stop(place, bad / len(window))
        return None

    def note(self, partition: Partition, offsets: Sequence[int], poison: Sequence[bool]) -> None:
        """Remember the records at `offsets`, in ascending order, as done. What was noted from the first of them on is
        forgotten: the partition was read again from there."""
        if offsets:
            self._histories.setdefault(partition, _History()).note(offsets, poison)


class _Run(msgspec.Struct):
    first: int
    last: int
    is_poison: bool


class _History:
    """A partition's records, as runs of offsets without a gap that are all poison, or none of them."""

    def __init__(self) -> None:
        self._runs: deque[_Run] = deque()
        self._length = 0

    def before(self, offset: int) -> Iterator[bool]:
        """Which of the last `WINDOW` records before `offset` are poison, the oldest first."""
        found: deque[bool] = deque()
        for run in reversed(self._runs):
            length = min(run.last, offset - 1) - run.first + 1
            if length > 0:
                found.extendleft([run.is_poison] * min(length, WINDOW - len(found)))
            if len(found) == WINDOW:
                break
        return iter(found)

    def note(self, offsets: Sequence[int], poison: Sequence[bool]) -> None:
        self._forget_from(offsets[0])
        if offsets[-1] - offsets[0] + 1 == len(offsets) and not any(poison):
            self._add(offsets[0], offsets[-1], is_poison=False)
        else:
            for offset, is_poison in zip(offsets, poison, strict=True):
                self._add(offset, offset, is_poison=is_poison)
        while self._length - (oldest := self._runs[0].last - self._runs[0].first + 1) >= _KEPT:
            self._runs.popleft()
            self._length -= oldest

    def _forget_from(self, offset: int) -> None:
        while self._runs and self._runs[-1].last >= offset:
            run = self._runs.pop()
            self._length -= run.last - run.first + 1
            if run.first < offset:
                self._add(run.first, offset - 1, is_poison=run.is_poison)

    def _add(self, first: int, last: int, *, is_poison: bool) -> None:
        if self._runs and self._runs[-1].last == first - 1 and self._runs[-1].is_poison == is_poison:
            self._runs[-1].last = last
        else:
            self._runs.append(_Run(first, last, is_poison))
        self._length += last - first + 1
