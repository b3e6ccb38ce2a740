"""The event source mapping: one poller that reads a topic and calls a function with batches."""

import logging
import threading

from millrace_harness.mapping import answer
from millrace_harness.mapping.batch import Batch
from millrace_harness.mapping.config import UNLIMITED, Invoke, InvokeAnswer, MappingConfig
from millrace_harness.mapping.event import Encoded, encode
from millrace_harness.mapping.retries import Retries
from millrace_harness.mapping.source import Source

LOG = logging.getLogger(__name__)

POLL_SECONDS = 0.25  # how soon a request to stop is seen; a record that arrives ends the wait at once
STOP_SECONDS = 2.0
REOPEN_SECONDS = 1.0
INVOKE_PAUSE_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0)  # between calls that could not be made; the last one repeats

NOTHING_YET = "No records processed"
OK = "OK"


class EventSourceMapping:
    """Reads `config.topic` as a member of its consumer group and calls `invoke` with one batch after the other.

    At least once: a batch's offsets are committed after the function has done it, and only as far as it has. Within a
    partition the function sees records in order, and nothing behind a record that is not done. A partition that failed
    is paused, and read again from the first record that is not done after a growing pause; the others go on meanwhile.
    A broker that is away, and a function that cannot be called, are waited for without end.
    """

    def __init__(self, config: MappingConfig, invoke: Invoke) -> None:
        self.config = config
        self._invoke = invoke
        self._retries = Retries()
        self._carried: Encoded | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._last_result = NOTHING_YET

    @property
    def running(self) -> bool:
        """Whether its poller lives."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def last_result(self) -> str:
        """`No records processed`, `OK`, or `PROBLEM:` with what went wrong at last."""
        return self._last_result

    def start(self) -> None:
        """Begin to poll, on a thread of its own. Nothing happens where it runs already."""
        if self.running:
            return
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name=f"mapping-{self.config.consumer_group}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End polling within 2 s. A call that is under way is let end; its batch is committed if it succeeds."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._carried, self._retries = None, Retries()
            try:
                with Source(self.config, lost=self._lost) as source:
                    while not self._stopping.is_set():
                        self._step(source)
            except Exception as error:
                # What a client cannot get over by itself, or nobody foresaw: a new one begins at the last commit.
                LOG.exception("%s: the consumer is opened anew", self.config.topic)
                self._problem(f"the consumer failed: {error}")
                self._stopping.wait(REOPEN_SECONDS)

    def _step(self, source: Source) -> None:
        batch = self._collect(source)
        if batch.records:
            self._deliver(source, batch.records)

    def _collect(self, source: Source) -> Batch:
        """A batch that is full or due; empty when nothing came for a moment."""
        batch = Batch(self.config)
        carried, self._carried = self._carried, None
        if carried is not None:
            batch.add(carried)
        while batch.room > 0 and not self._stopping.is_set():
            # Also while a batch fills: another partition's window is no reason to wait longer for a retry.
            for partition, offset in self._retries.due().items():
                source.resume(partition, offset)
            wait = min(POLL_SECONDS, batch.seconds_left) if batch.records else POLL_SECONDS
            encoded = source.poll(self._retries.seconds_to_next(wait))
            if encoded is None:
                if not batch.records or batch.seconds_left <= 0:
                    break
                continue
            if not batch.add(encoded):
                self._carried = encoded
                break
        return batch

    def _deliver(self, source: Source, records: list[Encoded]) -> None:
        reply = self._call(encode(self.config, records))
        if reply is None:
            return
        verdict = answer.read(reply, records, item_failures=self.config.report_batch_item_failures)
        if verdict.problem:
            self._problem(verdict.problem)
        else:
            self._last_result = OK
        done = {one.record.partition: one.record.offset + 1 for one in records}
        for partition in list(done):
            if partition not in verdict.retry_from:
                self._retries.succeeded(partition)
            elif self._is_given_up(partition, verdict.retry_from[partition]):
                LOG.error("%s-%s: given up up to offset %s", self.config.topic, partition, done[partition])
            else:
                done[partition] = verdict.retry_from[partition]
                self._pause(source, partition)
        source.commit(done)

    def _is_given_up(self, partition: int, offset: int) -> bool:
        """Note the failure, and tell whether the retries are used up. Without a destination AWS drops the records."""
        waiting = self._retries.failed(partition, offset)
        if self.config.maximum_retries == UNLIMITED or waiting.failures <= self.config.maximum_retries:
            return False
        self._retries.succeeded(partition)
        return True

    def _pause(self, source: Source, partition: int) -> None:
        source.pause(partition)
        if self._carried is not None and self._carried.record.partition == partition:
            self._carried = None  # it is read again

    def _call(self, payload: bytes) -> InvokeAnswer | None:
        """The function's answer; None when the mapping is stopped before the function could be called."""
        attempt = 0
        while not self._stopping.is_set():
            try:
                return self._invoke(payload)
            except Exception as error:
                # Whatever the caller's client raises: throttled, being updated, away. Nothing was tried, so it is no
                # retry, and the batch must not be lost for it.
                self._problem(f"the function could not be called: {error}")
                self._stopping.wait(INVOKE_PAUSE_SECONDS[min(attempt, len(INVOKE_PAUSE_SECONDS) - 1)])
                attempt += 1
        return None

    def _lost(self, partitions: list[int]) -> None:
        self._retries.forget(partitions)
        if self._carried is not None and self._carried.record.partition in partitions:
            self._carried = None

    def _problem(self, text: str) -> None:
        self._last_result = f"PROBLEM: {text}"
        LOG.warning("%s for %s: %s", self.config.topic, self.config.consumer_group, text)
