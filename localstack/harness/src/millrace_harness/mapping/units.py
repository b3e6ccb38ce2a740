"""Batches that are not done: which of them may be tried now, and in which order."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from millrace_harness.mapping.config import InvokeAnswer
from millrace_harness.mapping.event import Encoded

_FIRST_SECONDS = 0.1
LONGEST_SECONDS = 5.0  # so that a part that is back is noticed while a person still looks

type Condition = Literal["RetryAttemptsExhausted", "RecordAgeExceeded", "MaximumPayloadSizeExceeded"]


def pause_seconds(failures: int, longest: float = LONGEST_SECONDS) -> float:
    """How long after so many failures in a row: 0.1 s, 0.2 s … up to `longest`."""
    return float(min(_FIRST_SECONDS * 2 ** (min(failures, 20) - 1), longest))


@dataclass(slots=True, eq=False)
class Unit:
    """Records that are tried together, each partition's in order.

    `failures` counts the calls in a row that failed with just these records, `answer` is the last one's. `attempts`
    counts what could not even be tried: the function or the destination was away. With a `condition` the records are
    given up, and go to the destination instead of the function. It rests until `due`, in monotonic seconds.
    """

    records: list[Encoded]
    failures: int = 0
    answer: InvokeAnswer | None = None
    condition: Condition | None = None
    attempts: int = 0
    due: float = 0.0
    partitions: set[int] = field(init=False)

    def __post_init__(self) -> None:
        self.partitions = {one.record.partition for one in self.records}

    def drop(self, partitions: set[int]) -> None:
        """Forget the records of `partitions`."""
        self.records = [one for one in self.records if one.record.partition not in partitions]
        self.partitions -= partitions


class Units:
    """What a poller holds, oldest first. A unit waits for every older one that shares a partition with it.

    No unit rests longer than `longest` seconds.
    """

    def __init__(self, *, longest: float = LONGEST_SECONDS, now: Callable[[], float] = time.monotonic) -> None:
        self._longest = longest
        self._now = now
        self._units: list[Unit] = []

    def add(self, unit: Unit) -> None:
        """The newest."""
        self._units.append(unit)

    def replace(self, unit: Unit, others: Sequence[Unit]) -> None:
        """What became of a unit stands where it stood."""
        place = self._units.index(unit)
        self._units[place : place + 1] = [other for other in others if other.records]

    def put_off(self, unit: Unit, tries: int) -> None:
        """Let it rest, the longer the more tries have failed."""
        unit.due = self._now() + pause_seconds(tries, self._longest)

    def next(self) -> Unit | None:
        """The oldest that is due and waits for no other."""
        return next((unit for unit in self._heads() if unit.due <= self._now()), None)

    def seconds_to_next(self, longest: float) -> float:
        """How long until there is one, at most `longest`."""
        return min([longest, *(max(0.0, unit.due - self._now()) for unit in self._heads())])

    def partitions(self) -> set[int]:
        """Those that are not to be read on: what is held of them comes first."""
        return set().union(*(unit.partitions for unit in self._units))

    def forget(self, partitions: set[int]) -> None:
        """These belong to somebody else now."""
        for unit in self._units:
            unit.drop(partitions)
        self._units = [unit for unit in self._units if unit.records]

    def __contains__(self, unit: Unit) -> bool:
        return unit in self._units

    def _heads(self) -> Iterable[Unit]:
        before: set[int] = set()
        for unit in self._units:
            if not unit.partitions & before:
                yield unit
            before |= unit.partitions
