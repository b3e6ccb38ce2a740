"""Burying: every record of the topic of dead letters becomes a letter that people can see."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from shared.deadletters.model import NewLetter
from shared.deadletters.ports import DeadLetterStore
from shared.deadletters.reading import Short, read
from shared.events.dead import DeadLetter, decode
from shared.events.model import Outcome, RawRecord
from shared.kit.clock import Clock
from shared.kit.errors import Malformed
from shared.kit.trace import Trace

NOT_A_LETTER = "not_a_letter"
"""The code of a record of the topic that holds no letter, and is kept as one."""


class Bury:
    """Stores a batch of letters."""

    def __init__(self, store: DeadLetterStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def __call__(self, records: Sequence[RawRecord]) -> list[Outcome]:
        """Keep what `records` hold, and answer for each, in the order given.

        Behind this topic there is no other: a record that holds no letter, or one that the store refuses, is kept as a
        letter of its own, byte for byte. Nothing is `INVALID`, for that would be done with: where the store refuses
        even so, or is away, a record is `UNAVAILABLE`, and its partition waits.
        """
        now = self._clock.now()
        outcomes = await self._store.bury([_letter(record, now) for record in records])
        refused = [index for index, outcome in enumerate(outcomes) if outcome is Outcome.INVALID]
        kept = await self._store.bury([NewLetter(letter=_as_it_is(records[index], now)) for index in refused])
        for index, outcome in zip(refused, kept, strict=True):
            outcomes[index] = Outcome.UNAVAILABLE if outcome is Outcome.INVALID else outcome
        return outcomes


def _letter(record: RawRecord, now: datetime) -> NewLetter:
    try:
        letter = decode(record.value)
    except Malformed:
        letter = _as_it_is(record, now)
    found = read(letter.value)
    trace = letter.traceparent or found.traceparent or ""
    letter = msgspec.structs.replace(
        letter,
        tenant=_storable(letter.tenant) or found.tenant,
        traceparent=trace if Trace.is_traceparent(trace) else None,
    )
    return NewLetter(letter=letter, received_at=found.received_at, **found.named)


def _as_it_is(record: RawRecord, now: datetime) -> DeadLetter:
    return DeadLetter(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp_ms=record.timestamp_ms,
        key=record.key,
        value=record.value,
        code=NOT_A_LETTER,
        reason="The record is no dead letter, and is kept as it is.",
        attempts=1,
        dead_at=now,
    )


def _storable(tenant: str | None) -> str | None:
    try:
        return msgspec.convert(tenant, Short | None)
    except msgspec.ValidationError:
        return None
