"""Storing what the log holds: an outcome for every record, in order."""

import logging
from collections.abc import Sequence
from uuid import UUID

from shared.events.admission import Waiters
from shared.events.dead import DeadLetterLog
from shared.events.envelope import decode
from shared.events.letters import NOT_AN_EVENT, REFUSED_BY_STORAGE, Fault, letter_of
from shared.events.model import Event, LogRecord, Outcome, Position, RawRecord
from shared.events.poison import Partition, PoisonShare
from shared.events.ports import EventStore, Refused
from shared.kit.clock import Clock
from shared.kit.errors import Malformed, Unavailable

_LOG = logging.getLogger(__name__)

_THERE = (Outcome.STORED, Outcome.DUPLICATE)

_ROUNDS = 5
"""Storing is tried so often, each time without what was refused before. Two do, unless a refusal hides another."""


class Persist:
    """Stores a batch of records, takes out those that never can be, and tells those who wait for its rows."""

    def __init__(
        self, store: EventStore, dead: DeadLetterLog, waiters: Waiters, clock: Clock, *, max_poison_share: float
    ) -> None:
        """`max_poison_share`, 0 to 1: where more than that of a partition's last records is poison, it stops."""
        self._store = store
        self._dead = dead
        self._waiters = waiters
        self._clock = clock
        self._share = PoisonShare(max_poison_share)

    async def __call__(self, records: Sequence[RawRecord]) -> list[Outcome]:
        """Store `records` and answer for each, in the order given.

        `INVALID` is a record that is no event, or one that storage refuses for its own sake: `events.dead` has it, with
        acks=all, and its neighbours are stored all the same. After the first `UNAVAILABLE` of a partition nothing later
        of it is stored, and none is reported as anything else: where storage is away that is every record, where
        a dead letter was not acknowledged that record, and where too much is poison the one that was too much. A batch
        may come again: what is stored is a `DUPLICATE` then, and a letter that is written twice is one letter.
        """
        batch = _Batch(records)
        if await self._examined(batch):
            await self._done(batch)
        for partition, places in batch.finish().items():
            offsets = [records[place].offset for place in places]
            self._share.note(partition, offsets, batch.news(places))
        await self._waiters.tell(batch.awaited())
        return batch.outcomes

    async def _examined(self, batch: "_Batch") -> bool:
        """Learn of the poison that storage would refuse, before anything is done; False when storage is away.

        Asked only where there is other poison already: then no letter is written behind a record that has to wait for
        storage, and none behind the one that stops its partition.
        """
        places = batch.waiting()
        if batch.faults and places:
            try:
                batch.refuse(places, await self._store.examine(batch.stored(places)))
            except Unavailable:
                return False
        return True

    async def _done(self, batch: "_Batch") -> None:
        for _ in range(_ROUNDS):
            if batch.faults:
                self._stop(batch)
                await self._bury(batch)
            places = batch.waiting()
            answer = await self._store.store(batch.stored(places)) if places else []
            if not isinstance(answer, Refused):
                for place, outcome in zip(places, answer, strict=True):
                    batch.outcomes[place] = outcome
                return
            batch.refuse(places, answer.reasons)
            for place in places[answer.searched :]:
                batch.cut(place)

    def _stop(self, batch: "_Batch") -> None:
        for partition in batch.partitions:
            places = batch.before_cut(partition)
            offsets = [batch.records[place].offset for place in places]
            stop = self._share.judge(partition, offsets, batch.news(places))
            if stop is not None:
                batch.cut(places[stop.place])
                name = f"{partition[0]}-{partition[1]}@{offsets[stop.place]}"
                _LOG.error("batch.partition_stops", extra={"place": name, "share": round(stop.share, 3)})

    async def _bury(self, batch: "_Batch") -> None:
        """Write a letter for all poison that has none yet. One that was not acknowledged cuts its partition there."""
        places = batch.unburied()
        now = self._clock.now()
        letters = [
            letter_of(batch.records[place], batch.events[place], batch.faults[place], dead_at=now) for place in places
        ]
        answers = await self._dead.append(letters) if letters else []
        for place, is_kept in zip(places, answers, strict=True):
            if is_kept:
                batch.outcomes[place] = Outcome.INVALID
            else:
                batch.cut(place)


class _Batch:
    """What is known of each record of a batch, by its place in it, and where each partition is cut."""

    def __init__(self, records: Sequence[RawRecord]) -> None:
        self.records = records
        self.events: list[Event | None] = []
        self.faults: dict[int, Fault] = {}
        self.outcomes = [Outcome.UNAVAILABLE] * len(records)
        self.partitions: dict[Partition, list[int]] = {}
        self._ends: dict[Partition, int] = {}
        for place, record in enumerate(records):
            try:
                self.events.append(decode(record.value))
            except Malformed as error:
                self.events.append(None)
                self.faults[place] = Fault(NOT_AN_EVENT, error.detail)
            self.partitions.setdefault((record.topic, record.partition), []).append(place)

    def before_cut(self, partition: Partition) -> list[int]:
        """The places of a partition's records that something may be done with."""
        return self.partitions[partition][: self._ends.get(partition)]

    def cut(self, place: int) -> None:
        """Nothing is done with this record, nor with what comes later of its partition."""
        record = self.records[place]
        partition = (record.topic, record.partition)
        end = self.partitions[partition].index(place)
        self._ends[partition] = min(end, self._ends.get(partition, end))

    def news(self, places: Sequence[int]) -> list[bool]:
        """Which of the records at `places` are poison, and were none before.

        A dead letter that somebody sends on its way unmended tells nothing of those who write into the log.
        """
        if not self.faults:
            return [False] * len(places)
        return [place in self.faults and not self._was_dead(place) for place in places]

    def _was_dead(self, place: int) -> bool:
        event = self.events[place]
        return event is not None and event.attempts > 0

    def refuse(self, places: Sequence[int], reasons: dict[int, str]) -> None:
        """Storage refuses some of the records at `places`, for these reasons."""
        for index, reason in reasons.items():
            self.faults[places[index]] = Fault(REFUSED_BY_STORAGE, reason)

    def waiting(self) -> list[int]:
        """What may be stored."""
        if not self.faults and not self._ends:
            return list(range(len(self.records)))
        return sorted(
            place for partition in self.partitions for place in self.before_cut(partition) if place not in self.faults
        )

    def unburied(self) -> list[int]:
        """Poison that has no letter yet."""
        return sorted(
            place
            for partition in self.partitions
            for place in self.before_cut(partition)
            if place in self.faults and self.outcomes[place] is not Outcome.INVALID
        )

    def stored(self, places: Sequence[int]) -> list[LogRecord]:
        """The records at `places` as storage takes them."""
        records: list[LogRecord] = []
        for place in places:
            event, record = self.events[place], self.records[place]
            assert event is not None, "poison is not stored"
            records.append(LogRecord(event, Position(record.partition, record.offset)))
        return records

    def finish(self) -> dict[Partition, list[int]]:
        """Report nothing as done behind what is not; the places of each partition that are done."""
        done: dict[Partition, list[int]] = {}
        for partition, places in self.partitions.items():
            ends = (index for index, place in enumerate(places) if self.outcomes[place] is Outcome.UNAVAILABLE)
            end = min(next(ends, len(places)), self._ends.get(partition, len(places)))
            for place in places[end:]:
                self.outcomes[place] = Outcome.UNAVAILABLE
            done[partition] = places[:end]
        return done

    def awaited(self) -> list[tuple[str, UUID]]:
        """Who waits for which of the rows that are there."""
        return [
            (event.waiter, event.key)
            for event, outcome in zip(self.events, self.outcomes, strict=True)
            if event is not None and event.waiter is not None and outcome in _THERE
        ]
