"""Storing what the log holds: an outcome for every record, in order."""

from collections.abc import Sequence

from shared.events.envelope import decode
from shared.events.model import LogRecord, Outcome, Position, RawRecord
from shared.events.ports import EventStore
from shared.kit.errors import Malformed


class Persist:
    """Decodes a batch of records and stores it."""

    def __init__(self, store: EventStore) -> None:
        self._store = store

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
        for index, outcome in zip(readable, stored, strict=True):
            outcomes[index] = outcome
        return outcomes
