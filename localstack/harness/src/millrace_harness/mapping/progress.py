"""How far a consumer has done each partition: what may be committed."""

from collections import deque
from collections.abc import Iterable

from millrace_harness.mapping.event import Encoded


class Progress:
    """Offsets of what was read, and of what of it is not done yet.

    A partition may be committed up to its first record that is not done, whatever behind it is done.
    """

    def __init__(self) -> None:
        self._next: dict[int, int] = {}
        self._open: dict[int, deque[int]] = {}
        self._told: dict[int, int] = {}

    def read(self, partition: int, offset: int, *, done: bool) -> None:
        """A record was read, after all before it. `done`: there is nothing to do with it."""
        self._next[partition] = offset + 1
        waiting = self._open.setdefault(partition, deque())
        if not done:
            waiting.append(offset)

    def done(self, records: Iterable[Encoded]) -> None:
        """The function has done these, or they were given up for good. Those of partitions that are gone are none."""
        for one in records:
            waiting = self._open.get(one.record.partition, deque())
            if waiting and waiting[0] == one.record.offset:
                waiting.popleft()
            elif one.record.offset in waiting:
                waiting.remove(one.record.offset)

    def position(self, partition: int) -> int | None:
        """The offset to go on from, were it committed now; None where nothing was read of it."""
        waiting = self._open.get(partition)
        return waiting[0] if waiting else self._next.get(partition)

    def news(self) -> dict[int, int]:
        """The positions that have changed since they were asked for, by partition."""
        now = {partition: self.position(partition) for partition in self._next}
        changed = {
            partition: position
            for partition, position in now.items()
            if position is not None and self._told.get(partition, -1) < position
        }
        self._told |= changed
        return changed

    def forget(self, partitions: Iterable[int]) -> None:
        """These belong to somebody else now."""
        for partition in partitions:
            for kept in (self._next, self._open, self._told):
                kept.pop(partition, None)
