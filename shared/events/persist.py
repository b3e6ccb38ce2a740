"""Storing what the log holds: an outcome for every record, in order."""

from collections.abc import Sequence
from uuid import UUID

from shared.events.admission import Waiters
from shared.events.envelope import decode
from shared.events.model import LogRecord, Outcome, Position, RawRecord
from shared.events.ports import EventStore
from shared.kit.errors import Malformed

_THERE = (Outcome.STORED, Outcome.DUPLICATE)


class Persist:
    """Decodes a batch of records, stores it, and tells those who wait for its rows."""

    def __init__(self, store: EventStore, waiters: Waiters) -> None:
        self._store = store
        self._waiters = waiters

    async def __call__(self, records: Sequence[RawRecord]) -> list[Outcome]:
        """Store `records` and answer for each, in the order given.

        A record that is no event is `INVALID` and does not keep its neighbours from being stored. When storage is
        away every readable record is `UNAVAILABLE`.
        """
        outcomes = [Outcome.INVALID] * len(records)
        readable: dict[int, LogRecord] = {}
        for index, record in enumerate(records):
            try:
                event = decode(record.value)
            except Malformed:
                continue
            readable[index] = LogRecord(event, Position(record.partition, record.offset))
        stored = await self._store.store(list(readable.values())) if readable else []
        awaited: list[tuple[str, UUID]] = []
        for (index, found), outcome in zip(readable.items(), stored, strict=True):
            outcomes[index] = outcome
            if found.event.waiter is not None and outcome in _THERE:
                awaited.append((found.event.waiter, found.event.key))
        await self._waiters.tell(awaited)
        return outcomes
