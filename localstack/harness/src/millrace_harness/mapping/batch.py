"""Records on their way into batches."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from millrace_harness.mapping.event import MAX_EVENT_BYTES, EventWriter, Record


@dataclass(frozen=True, slots=True)
class Batch:
    """What one invocation is given: of each partition, records that follow each other."""

    records: tuple[Record, ...]

    @property
    def partitions(self) -> frozenset[int]:
        """Whose records they are."""
        return frozenset(record.partition for record in self.records)

    @property
    def ends(self) -> dict[int, int]:
        """By partition, the offset to go on from when all of it is done."""
        return {record.partition: record.offset + 1 for record in self.records}

    def without(self, partitions: Collection[int]) -> "Batch":
        """The rest of it, perhaps nothing."""
        return Batch(tuple(record for record in self.records if record.partition not in partitions))

    def starting(self, checkpoints: dict[int, int]) -> "Batch":
        """The records of these partitions from these offsets on."""
        return Batch(
            tuple(
                record
                for record in self.records
                if record.partition in checkpoints and record.offset >= checkpoints[record.partition]
            )
        )


class Backlog:
    """Records that have arrived and are in no batch yet, in the order they came.

    A partition that is blocked keeps its records here; the others go on.
    """

    def __init__(self, writer: EventWriter, *, batch_size: int, window_seconds: float) -> None:
        self._writer, self._batch_size, self._window_seconds = writer, batch_size, window_seconds
        self._records: list[Record] = []

    def add(self, record: Record) -> None:
        """One more, the latest of its partition."""
        self._records.append(record)

    def drop(self, partitions: Collection[int]) -> None:
        """Forget partitions that somebody else reads now."""
        self._keep(lambda record: record.partition not in partitions)

    def room(self, blocked: Collection[int]) -> int:
        """How many more records the next batch could use."""
        return max(self._batch_size - len(self._free(blocked)), 0)

    def ripe_in(self, blocked: Collection[int], now: float) -> float | None:
        """Seconds until the next batch is due, 0 when it is; None while there is nothing for it."""
        free = self._free(blocked)
        if not free:
            return None
        if len(free) >= self._batch_size or self._fitting(free) < len(free):
            return 0
        return max(free[0].arrived + self._window_seconds - now, 0)

    def take(self, blocked: Collection[int]) -> Batch:
        """As many as fit one batch, which may be none, by number and by size. A record that fits no event is alone."""
        free = self._free(blocked)
        taken = free[: max(self._fitting(free), 1)]
        chosen = {(record.partition, record.offset) for record in taken}
        self._keep(lambda record: (record.partition, record.offset) not in chosen)
        return Batch(tuple(taken))

    def fits(self, batch: Batch) -> bool:
        """False for the one record that no event can hold."""
        return self._fitting(batch.records) == len(batch.records)

    def _free(self, blocked: Collection[int]) -> list[Record]:
        return [record for record in self._records if record.partition not in blocked]

    def _keep(self, wanted: Callable[[Record], bool]) -> None:
        self._records = [record for record in self._records if wanted(record)]

    def _fitting(self, records: Iterable[Record]) -> int:
        """How many of them, from the first, go into one event."""
        size, partitions = self._writer.empty_bytes, set[int]()
        count = 0
        for record in records:
            size += len(record.encoded) + len(b",")
            if record.partition not in partitions:
                partitions.add(record.partition)
                size += self._writer.partition_bytes(record.partition)
            if size > MAX_EVENT_BYTES or count == self._batch_size:
                break
            count += 1
        return count
