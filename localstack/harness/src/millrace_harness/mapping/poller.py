"""One poller: a consumer that collects batches and has them carried out, one after the other."""

import logging
import threading
import time
from collections.abc import Callable
from functools import partial

from millrace_harness.mapping import answer as answers
from millrace_harness.mapping.batch import Batch
from millrace_harness.mapping.config import Invoke, InvokeAnswer, MappingConfig
from millrace_harness.mapping.destinations import Destination
from millrace_harness.mapping.discarded import Discarded
from millrace_harness.mapping.event import Encoded, Record, encode, encode_record
from millrace_harness.mapping.filters import Filters
from millrace_harness.mapping.flight import Flight
from millrace_harness.mapping.policy import Policy
from millrace_harness.mapping.progress import Progress
from millrace_harness.mapping.scaling import Pace
from millrace_harness.mapping.source import Source
from millrace_harness.mapping.units import Unit, Units

LOG = logging.getLogger(__name__)

POLL_SECONDS = 0.25  # how soon a request to stop is seen; a record that arrives ends the wait at once
LOOK_SECONDS = 1.0  # how often what was filtered is committed, and the lag counted
GRACE_SECONDS = 1.0  # a call shorter than that needs no polling beside it, and what was fetched ahead is kept
REVOKE_SECONDS = 5.0  # a rebalance waits so long for a call, so that nothing is delivered twice without need
REOPEN_SECONDS = 1.0


class Poller:
    """A member of the mapping's consumer group, on a thread of its own.

    It makes one call at a time. What fails it keeps, and reads on from the partitions that are not concerned; the
    partitions that are go on when nothing of them is kept any more. `report` is told each problem, and None for each
    batch that went well.
    """

    def __init__(
        self,
        config: MappingConfig,
        invoke: Invoke,
        destination: Destination | None,
        *,
        pace: Pace,
        report: Callable[[str | None], None],
    ) -> None:
        self._config = config
        self._invoke = invoke
        self._destination = destination
        self._pace = pace
        self._report = report
        self._filters = Filters(config.filters)
        self._policy = Policy(config, has_destination=destination is not None)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"poller-{config.consumer_group}", daemon=True)
        self._source: Source
        self._begin_anew()
        self.lag = 0

    @property
    def running(self) -> bool:
        """Whether it still polls, or ends a call."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin to poll. Once only."""
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end: a call under way is let end, and what it did is committed."""
        self._stopping.set()

    def join(self) -> None:
        """Wait until it has ended, however long its call takes."""
        self._thread.join()

    def _begin_anew(self) -> None:
        self._batch = Batch(self._config)
        self._units = Units(longest=self._pace.retry_seconds)
        self._progress = Progress()
        self._carried: list[Encoded] = []
        self._under_way: tuple[Unit, list[Encoded], Flight[InvokeAnswer | None]] | None = None
        self._looked = time.monotonic()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._begin_anew()
            try:
                with self._opened() as self._source:
                    while not self._stopping.is_set():
                        self._step()
            except Exception as error:
                # What a client cannot get over by itself, or nobody foresaw: a new one begins at the last commit.
                LOG.exception("%s: the consumer is opened anew", self._config.topic)
                self._report(f"the consumer failed: {error}")
                self._stopping.wait(REOPEN_SECONDS)

    def _opened(self) -> Source:
        seconds = self._pace.session_seconds
        return Source(self._config, session_seconds=seconds, revoked=self._revoked, lost=self._forget)

    def _step(self) -> None:
        unit = self._units.next() or self._collect()
        if unit is not None:
            self._carry_out(unit)
        self._look()

    def _collect(self) -> Unit | None:
        """The batch, if it is full, or full or due after one more look for a record."""
        if not (self._batch.full or self._completed()):
            return None
        unit = Unit(self._batch.records)
        self._batch = Batch(self._config)
        self._units.add(unit)
        return unit

    def _completed(self) -> bool:
        """Look for a record, and tell whether the batch is full with it or without it, or due for want of one."""
        patience = min(POLL_SECONDS, self._batch.seconds_left) if self._batch.records else POLL_SECONDS
        record = self._source.poll(self._units.seconds_to_next(patience))
        if record is None:
            return self._batch.due
        encoded = self._admitted(record)
        if encoded is not None and not self._batch.add(encoded):
            self._carried.append(encoded)
        return self._batch.full

    def _admitted(self, record: Record) -> Encoded | None:
        passes = self._filters.passes(record)
        self._progress.read(record.partition, record.offset, done=not passes)
        return encode_record(record) if passes else None

    def _carry_out(self, unit: Unit) -> None:
        """Call the function with the unit, or give it up; the consumer stays in its group however long that takes."""
        parts = self._policy.before(unit, now=time.time())
        if parts != [unit]:
            self._units.replace(unit, parts)  # each comes up by itself
            return
        flight = Flight(partial(self._attempt, unit, list(unit.records)))
        self._under_way = unit, list(unit.records), flight
        if not flight.over(GRACE_SECONDS):
            self._source.pause_all()
            while self._under_way is not None and not flight.over(0):
                self._look()
                record = self._source.poll(POLL_SECONDS / 5)
                if record is not None and (encoded := self._admitted(record)):
                    self._carried.append(encoded)  # it was on its way already
        self._land()

    def _attempt(self, unit: Unit, records: list[Encoded]) -> InvokeAnswer | None:
        """What the function answered; None once the records are where they go that are given up."""
        if unit.condition is None:
            return self._invoke(encode(self._config, records))
        places = f"{len(records)} records from {records[0].record.topic}-{records[0].record.partition}"
        LOG.error("%s: given up (%s), from offset %s on", places, unit.condition, records[0].record.offset)
        if self._destination is not None:
            self._destination(
                Discarded(
                    config=self._config,
                    records=records,
                    condition=unit.condition,
                    answer=unit.answer,
                    invocations=unit.failures,
                )
            )
        return None

    def _land(self) -> None:
        """Draw the conclusions of what was under way, as far as its partitions are still here."""
        if self._under_way is None:
            self._read_on()  # a rebalance has landed it, in a look that gave one record more
            return
        (unit, called, flight), self._under_way = self._under_way, None
        if unit in self._units:
            try:
                answer = flight.result()
            except Exception as error:
                # Whatever a client raises: throttled, being updated, away. Nothing was tried, so it is no retry.
                unit.attempts += 1
                self._units.put_off(unit, unit.attempts)
                what = "destination" if unit.condition else "function"
                self._report(f"the {what} could not be called: {error}")
            else:
                self._conclude(unit, called, answer)
        self._read_on()

    def _conclude(self, unit: Unit, called: list[Encoded], answer: InvokeAnswer | None) -> None:
        left: list[Unit] = []
        if answer is not None:
            verdict = answers.read(answer, called, item_failures=self._config.report_batch_item_failures)
            self._report(verdict.problem)
            left = self._policy.after(unit, verdict, answer)
        for one in left:
            if one.failures and not one.condition:
                self._units.put_off(one, one.failures)
        self._units.replace(unit, left)
        again = {(one.record.partition, one.record.offset) for other in left for one in other.records}
        self._progress.done(one for one in unit.records if (one.record.partition, one.record.offset) not in again)
        self._source.commit(self._progress.news())

    def _read_on(self) -> None:
        """From the partitions of which nothing is kept; what was carried over goes first."""
        held = self._units.partitions()
        carried, self._carried = self._carried, []
        for one in carried:
            if one.record.partition in held or not self._batch.add(one):
                held.add(one.record.partition)
                self._carried.append(one)
        self._source.pause(held)

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        self._source.commit(self._progress.news())
        ends = self._source.ends()
        positions = {partition: self._progress.position(partition) for partition in ends}
        self.lag = sum(max(0, ends[number] - at) for number, at in positions.items() if at is not None)

    def _revoked(self, partitions: set[int]) -> None:
        if self._under_way is not None and self._under_way[0].partitions & partitions:
            flight = self._under_way[2]
            if flight.over(REVOKE_SECONDS):
                self._land()
        self._source.commit(self._progress.news())
        self._forget(partitions)

    def _forget(self, partitions: set[int]) -> None:
        self._units.forget(partitions)
        self._batch.drop(partitions)
        self._carried = [one for one in self._carried if one.record.partition not in partitions]
        self._progress.forget(partitions)
