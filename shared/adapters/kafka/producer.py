"""One idempotent producer of one topic, on aiokafka's client, protocol and record batches.

aiokafka's own producer is not used: it hands records over to background tasks, which costs 95 µs of 240 for one event,
goes on sending what its caller has given up, and never says what it has given to a broker. Here nothing runs but the
call that sends: when that ends or is cancelled, nothing is sent any more.
"""

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.codec import lz4_encode
from aiokafka.errors import KafkaConnectionError, KafkaError, NodeNotReadyError, for_code
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.transaction import InitProducerIdRequest
from aiokafka.record._crecords import default_records
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from aiokafka.structs import TopicPartition

# aiokafka compresses at level 9 and has no setting. 38 kB of events take 179 µs so, and 38 µs at level 1 with 3 % more
# bytes.
default_records.lz4_encode = partial(lz4_encode, level=1)

# While a broker is away aiokafka writes a line at every attempt to reach it, fifty a second. Who calls is told of every
# event, and says once that the log is away and once that it is back.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

_MAX_BATCH_BYTES = 900_000  # below the broker's message.max.bytes of 1,048,588, with room for what was not compressed
_BACKOFF_SECONDS = 0.02
_NO_TRANSACTION_MS = 2**31 - 1
_SEQUENCES = 2**31
_DROP_SECONDS = 0.1  # a bound: a cancelled task ends at the loop's next turns

_REFUSED = frozenset({10, 19, 29, 31, 45, 47, 59})
"""Errors that a broker answers before it writes anything: message too large, too few replicas in sync, topic or cluster
not allowed, sequence, epoch or producer not as expected. Of the others some come after the write (7 and 20), or may
(6: a leader that has lost its office since)."""


class Batch:
    """Records of one partition, in order. `base` is the offset of the first once they are in the log, all of them.

    Until then `may_be_in_log` says whether a broker may have them.
    """

    __slots__ = ("_buffer", "_builder", "base", "count", "error", "may_be_in_log", "partition")

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.count = 0
        self.base: int | None = None
        self.error: type[KafkaError] | None = None
        self.may_be_in_log = False
        self._buffer: bytes | None = None
        self._builder = DefaultRecordBatchBuilder(
            2,
            DefaultRecordBatch.CODEC_LZ4,
            is_transactional=0,
            producer_id=-1,
            producer_epoch=-1,
            base_sequence=0,
            batch_size=_MAX_BATCH_BYTES,
        )

    def add(self, key: bytes | None, value: bytes, timestamp_ms: int) -> bool:
        """Add a record, unless the batch is full. The first always fits, however large: the topic's limit decides."""
        if self._builder.append(self.count, timestamp_ms, key, value, []) is None:
            return False
        self.count += 1
        return True

    @property
    def is_numbered(self) -> bool:
        """Whether it has its place in the producer's sequence, which it keeps."""
        return self._buffer is not None

    def number(self, producer_id: int, epoch: int, sequence: int) -> None:
        """Give it its place in the sequence, and finish it."""
        self._builder.set_producer_state(producer_id, epoch, sequence)
        self._buffer = self._builder.build()

    @property
    def content(self) -> bytes:
        """What is sent, the same each time."""
        assert self._buffer is not None
        return self._buffer


class Producer:
    """Sends batches with acks=all, again and again under the same sequence number, until its caller gives up."""

    def __init__(self, bootstrap: str, topic: str, *, client_id: str, request_seconds: float) -> None:
        """`request_seconds` bounds a connection's making and a broker's answer; then another is asked, or again."""
        self._topic = topic
        self._request_ms = int(request_seconds * 1000)
        self._client = AIOKafkaClient(
            bootstrap_servers=bootstrap,
            client_id=client_id,
            request_timeout_ms=self._request_ms,
            retry_backoff_ms=int(_BACKOFF_SECONDS * 1000),
        )
        self._id, self._epoch = -1, -1
        self._sequences: dict[int, int] = defaultdict(int)
        self._sending = asyncio.Lock()
        self._dropped = False
        self.partitions = 0

    async def start(self) -> None:
        """Connect, learn of the topic and get an id of one's own.

        Raises:
            KafkaError: no broker can be reached, or none knows the topic.
        """
        await self._client.bootstrap()
        self.partitions = len(await self._client._wait_on_metadata(self._topic))
        while self._id < 0:
            await self._identify()

    async def is_alive(self) -> bool:
        """Whether a broker answers now."""
        return bool(await self._client.force_metadata_update())

    async def send(self, batches: Iterable[Batch]) -> None:
        """Send `batches`, those of one partition in the order given, until all are in the log.

        Raises:
            KafkaError: a broker refused one for good, or the producer was dropped. It is of no more use.
        """
        async with self._sending:
            if self._dropped:  # by who had it before
                raise KafkaConnectionError("The producer was dropped.")
            waiting: dict[int, deque[Batch]] = defaultdict(deque)
            for batch in batches:
                waiting[batch.partition].append(batch)
            while waiting:
                if not await self._send_first(waiting):
                    await asyncio.sleep(_BACKOFF_SECONDS)
                    await self._client.force_metadata_update()

    async def drop(self) -> None:
        """Close its connections, without sending what still lies in their buffers. Takes no time to speak of."""
        self._dropped = True
        synchronizer, self._client._sync_task = self._client._sync_task, None
        for connection in self._client._conns.values():
            if connection._writer is not None:
                connection._writer.transport.abort()
            connection._on_close_cb = None
            connection.close()
        if synchronizer is not None:
            synchronizer.cancel()
            await asyncio.wait([synchronizer], timeout=_DROP_SECONDS)

    async def _identify(self) -> None:
        request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=_NO_TRANSACTION_MS)
        try:
            answer = await self._client.send(self._client.get_random_node(), request)
            if answer.error_code:
                raise for_code(answer.error_code)
        except KafkaError as error:
            if not error.retriable:
                raise
            await asyncio.sleep(_BACKOFF_SECONDS)
            await self._client.force_metadata_update()
        else:
            self._id, self._epoch = answer.producer_id, answer.producer_epoch

    async def _send_first(self, waiting: dict[int, deque[Batch]]) -> bool:
        """Send the first batch of each partition, and take out what is in the log. Whether none has to be repeated."""
        led: dict[int, list[Batch]] = defaultdict(list)
        for partition, queue in waiting.items():
            leader = self._client.cluster.leader_for_partition(TopicPartition(self._topic, partition))
            if leader is not None and leader >= 0:
                led[leader].append(queue[0])
        first = [queue[0] for queue in waiting.values()]
        if len(led) == 1:
            ((node, batches),) = led.items()
            await self._send_to(node, batches)
        else:
            await asyncio.gather(*(self._send_to(node, batches) for node, batches in led.items()))
        is_well = True
        for batch in first:
            if batch.base is not None:
                waiting[batch.partition].popleft()
                if not waiting[batch.partition]:
                    del waiting[batch.partition]
            elif batch.error is not None and not batch.error.retriable:
                raise batch.error
            else:
                is_well = False
        return is_well

    async def _send_to(self, node: int, batches: Sequence[Batch]) -> None:
        """Send `batches`, one of each partition, to one broker, and note its answer in each."""
        try:
            if not await self._client.ready(node):
                raise NodeNotReadyError("The broker cannot be reached.")
            for batch in batches:
                if not batch.is_numbered:
                    self._number(batch)
            contents = [(batch.partition, batch.content) for batch in batches]
            request = ProduceRequest(
                transactional_id=None, required_acks=-1, timeout=self._request_ms, topics=[(self._topic, contents)]
            )
            new = [batch for batch in batches if not batch.may_be_in_log]
            for batch in new:
                batch.may_be_in_log = True
            response = await self._client.send(node, request)
        except KafkaError as error:
            for batch in batches:
                batch.error = type(error)
            return
        _take(response, batches, new)

    def _number(self, batch: Batch) -> None:
        sequence = self._sequences[batch.partition]
        self._sequences[batch.partition] = (sequence + batch.count) % _SEQUENCES
        batch.number(self._id, self._epoch, sequence)


def _take(response: Any, batches: Sequence[Batch], new: Sequence[Batch]) -> None:
    """Note what a broker answered to `batches`, of which `new` had not been sent to one before."""
    sent = {batch.partition: batch for batch in batches}
    for _, answers in response.topics:
        for partition, code, offset, *_ in answers:
            batch = sent[partition]
            # One that no longer remembers where a repeated batch lies says so by an error: the place stays unknown.
            if code == 0:
                batch.base = offset
            else:
                batch.error = for_code(code)
                if code in _REFUSED and batch in new:
                    batch.may_be_in_log = False
