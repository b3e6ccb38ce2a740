"""One idempotent producer: what it gave to a broker is known, and it can be let go of at once.

aiokafka says neither. Its private parts are named here and nowhere else; the tests over a real broker say whether they
are still what they were (0.14).
"""

import asyncio
import contextlib
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError, NodeNotReadyError
from aiokafka.producer.message_accumulator import BatchBuilder, MessageBatch
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.structs import TopicPartition

_MAX_BATCH_BYTES = 900_000  # below the broker's message.max.bytes of 1,048,588, with room for what was not compressed
_BACKOFF_MS = 20
_DROP_SECONDS = 0.1  # a bound: cancelled tasks end at the loop's next turns

_REFUSED = frozenset({10, 19, 29, 31, 45, 47, 59})
"""Errors that a broker answers before it writes anything: message too large, too few replicas in sync, topic or cluster
not allowed, sequence, epoch or producer not as expected. Of the others some come after the write (7 and 20), or may
(6: a leader that has lost its office since)."""


class Producer:
    """Sends batches with acks=all, again and again under the same sequence number, until it is dropped."""

    def __init__(self, bootstrap: str, *, client_id: str, request_seconds: float) -> None:
        """`request_seconds` bounds a connection's making and a broker's answer; then another is asked, or again."""
        self._inner = AIOKafkaProducer(
            bootstrap_servers=bootstrap,
            client_id=client_id,
            enable_idempotence=True,
            acks="all",
            compression_type="lz4",
            max_batch_size=_MAX_BATCH_BYTES,
            request_timeout_ms=int(request_seconds * 1000),
            retry_backoff_ms=_BACKOFF_MS,
        )
        self._accumulator = self._inner._message_accumulator
        self._cluster = self._inner.client.cluster
        self._pass_on = self._inner.client.send
        self._inner.client.send = self._send
        self._unsettled: set[int] = set()  # ids of the buffers that a connection was given, and no answer settled
        self._sending: set[asyncio.Task[Any]] = set()
        self._dropped = False

    async def start(self) -> None:
        """Connect, and get an id of one's own.

        Raises:
            KafkaError: no broker can be reached.
        """
        await self._inner.start()

    async def partitions(self, topic: str) -> int:
        """How many partitions `topic` has.

        Raises:
            KafkaError: no broker knows it.
        """
        known = self._cluster._partitions.get(topic) or await self._inner.partitions_for(topic)
        return len(known)

    async def is_alive(self) -> bool:
        """Whether a broker answers now."""
        return bool(await self._inner.client.force_metadata_update())

    def new_batch(self) -> BatchBuilder:
        """An empty one. The first record always fits."""
        return self._accumulator.create_builder()

    def queue(self, batch: BatchBuilder, topic: str, partition: int) -> MessageBatch:
        """Send `batch` behind those that are queued for its partition. Its `future` holds what the broker says.

        Raises:
            KafkaError: an earlier error has ended this producer.
        """
        if self._accumulator._exception is not None:
            raise KafkaConnectionError("The producer has failed.") from self._accumulator._exception
        return self._accumulator._append_batch(batch, TopicPartition(topic, partition))

    def may_be_in_log(self, batch: MessageBatch) -> bool:
        """Whether a broker may have `batch`, which it has not acknowledged. If not, it is certainly not in the log."""
        return id(batch._builder._buffer) in self._unsettled

    async def drop(self) -> None:
        """End it without a flush: what it holds must not be sent in some later invocation. Takes no time to speak of.

        Whoever waits for one of its batches gets a KafkaError.
        """
        self._dropped = True
        client, sender = self._inner.client, self._inner._sender
        self._inner._closed = True  # its finalizer would warn of what is done here on purpose
        tasks = {task for task in (sender.sender_task, client._sync_task, *self._sending) if task is not None}
        for task in tasks:
            task.cancel()
        for connection in client._conns.values():
            _abort(connection)
        self._fail_batches()
        if tasks:
            done, _ = await asyncio.wait(tasks, timeout=_DROP_SECONDS)
            for task in done:
                if not task.cancelled():
                    task.exception()  # looked at, or asyncio logs that nobody did

    async def _send(self, node_id: int, request: object, **options: Any) -> Any:
        """In the place of the client's `send`."""
        if not isinstance(request, ProduceRequest):
            return await self._pass_on(node_id, request, **options)
        self._stop_if_dropped()
        task = asyncio.current_task()
        assert task is not None
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        if not await self._inner.client.ready(node_id):
            raise NodeNotReadyError("The broker cannot be reached.")
        self._stop_if_dropped()
        # From here to the write in the connection nothing waits, so nothing can come in between.
        buffers = {(topic, number): id(buffer) for topic, batches in request._topics for number, buffer in batches}
        new = set(buffers.values()) - self._unsettled
        self._unsettled |= new
        response = await self._pass_on(node_id, request, **options)
        for topic, answers in response.topics:
            for number, code, *_ in answers:
                buffer = buffers.get((topic, number))
                if code == 0 or (code in _REFUSED and buffer in new):
                    self._unsettled.discard(buffer)
        return response

    def _stop_if_dropped(self) -> None:
        # A task that began after the others were cancelled, or whose cancellation met a timeout.
        if self._dropped:
            raise asyncio.CancelledError

    def _fail_batches(self) -> None:
        queued = [batch for batches in self._accumulator._batches.values() for batch in batches]
        pending = self._accumulator._pending_batches
        pending.update(queued)  # those that were sent before have a callback that takes them out
        for batch in list(pending):
            if not batch.future.done():
                batch.future.set_exception(KafkaConnectionError("The producer was dropped."))
            with contextlib.suppress(KafkaError):
                batch.future.exception()
        self._accumulator._batches.clear()


def _abort(connection: Any) -> None:
    """Close `connection` without sending what still lies in its buffer."""
    if connection._writer is not None:
        connection._writer.transport.abort()
    connection._on_close_cb = None
    connection.close()
