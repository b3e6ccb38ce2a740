"""Which partitions wait for another try, from which offset, and since how many failures."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_FIRST_SECONDS = 0.1
_LONGEST_SECONDS = 5.0  # so that a part that is back is noticed while a person still looks


@dataclass(frozen=True, slots=True)
class Waiting:
    """A partition that is tried again from `offset` when `due` (monotonic seconds) has come."""

    offset: int
    failures: int
    due: float


class Retries:
    """The partitions that failed. The others go on without them."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._waiting: dict[int, Waiting] = {}
        self._failures: dict[int, tuple[int, int]] = {}

    def failed(self, partition: int, offset: int) -> Waiting:
        """Note a failure of `partition` at `offset`; consecutive ones at one offset wait longer and longer."""
        before, count = self._failures.get(partition, (offset, 0))
        failures = count + 1 if before == offset else 1
        pause = min(_FIRST_SECONDS * 2 ** (min(failures, 20) - 1), _LONGEST_SECONDS)
        self._failures[partition] = (offset, failures)
        self._waiting[partition] = Waiting(offset, failures, self._now() + pause)
        return self._waiting[partition]

    def succeeded(self, partition: int) -> None:
        """Forget the failures of `partition`."""
        self._failures.pop(partition, None)
        self._waiting.pop(partition, None)

    def due(self) -> dict[int, int]:
        """Take out what may be tried now: the offset to go back to, by partition."""
        now = self._now()
        ready = {partition: waiting.offset for partition, waiting in self._waiting.items() if waiting.due <= now}
        for partition in ready:
            del self._waiting[partition]
        return ready

    def seconds_to_next(self, longest: float) -> float:
        """How long until something is due, at most `longest`."""
        return min([longest, *(max(0.0, waiting.due - self._now()) for waiting in self._waiting.values())])

    def forget(self, partitions: Iterable[int]) -> None:
        """These belong to somebody else now."""
        for partition in partitions:
            self.succeeded(partition)
