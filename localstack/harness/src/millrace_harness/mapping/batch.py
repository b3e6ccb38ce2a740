"""Collecting records into batches that the function may be called with."""

import time
from collections.abc import Callable

from millrace_harness.mapping.config import MAX_PAYLOAD_BYTES, MappingConfig
from millrace_harness.mapping.event import Encoded, added_size, empty_size


class Batch:
    """A batch that is being filled: full at `batch_size` records or 6 MB, due when its window has gone by.

    Source: Lambda developer guide, "Batching behavior": whichever of the three comes first.
    """

    def __init__(self, config: MappingConfig, *, now: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._now = now
        self._size = empty_size(config)
        self._begun: float | None = None
        self._partitions: set[int] = set()
        self.records: list[Encoded] = []
        self.full = False
        """Whether it waits for nothing more: it has its number of records, or has refused one."""

    def add(self, encoded: Encoded) -> bool:
        """Take the record, or refuse it: it would be one too many, or over 6 MB. An empty batch refuses nothing."""
        partition = encoded.record.partition
        size = self._size + added_size(encoded, first_of_partition=partition not in self._partitions)
        if self.records and (self.room <= 0 or size > MAX_PAYLOAD_BYTES):
            self.full = True
            return False
        if self._begun is None:
            self._begun = self._now()
        self._size = size
        self._partitions.add(partition)
        self.records.append(encoded)
        self.full = self.full or self.room <= 0
        return True

    def drop(self, partitions: set[int]) -> None:
        """Forget the records of `partitions`: they belong to somebody else now."""
        kept = [one for one in self.records if one.record.partition not in partitions]
        self.records, self._partitions, self._size = [], set(), empty_size(self._config)
        self.full = False
        for one in kept:
            self.add(one)
        if not kept:
            self._begun = None

    @property
    def room(self) -> int:
        """How many more records it takes."""
        return self._config.batch_size - len(self.records)

    @property
    def due(self) -> bool:
        """Whether it has waited long enough for more."""
        return bool(self.records) and self.seconds_left <= 0

    @property
    def seconds_left(self) -> float:
        """How long it may still wait to fill; the whole window while it is empty."""
        if self._begun is None:
            return self._config.window_seconds
        return max(0.0, self._begun + self._config.window_seconds - self._now())
