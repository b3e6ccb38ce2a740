"""The event log over Apache Kafka, by one idempotent producer an environment."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, NodeNotReadyError
from aiokafka.protocol.produce import ProduceRequest

from shared.adapters.kafka.placement import partition_of
from shared.events.envelope import encode
from shared.events.model import Appended, Event, NotAppended, Position
from shared.events.topics import Topic
from shared.kit.errors import Unavailable
from shared.kit.idle import Idle

_BUDGET_SECONDS = 2.0
_CHECK_SECONDS = 1.0
_DISCARD_SECONDS = 0.5
_MAX_BATCH_BYTES = 900_000  # below the broker's message.max.bytes of 1,048,588, with room for what was not compressed

_IDLE_SECONDS = 60.0
_OLD_SECONDS = 600.0  # MSK's IAM sessions outlive that; load balancers and brokers cut at 350 s and more


class KafkaEventLog:
    """An EventLog with acks=all and idempotence.

    aiokafka's idempotent producer never gives up on a record, and one that has seen a fatal error stays broken. So the
    bound is ours, and a producer that went over it or failed is discarded with all it still held; what it may already
    have sent stays unknown, and is reported so. So is one discarded before its use that has not been used for a minute,
    as after a freeze (its connections may be dead and not know it), or is ten minutes old (it never authenticates
    again).
    """

    def __init__(
        self,
        bootstrap: str,
        topic: Topic,
        *,
        client_id: str,
        budget_seconds: float = _BUDGET_SECONDS,
        idle: Idle | None = None,
        age: Idle | None = None,
    ) -> None:
        self._bootstrap = bootstrap
        self._topic = topic.name
        self._client_id = client_id
        self._budget_seconds = budget_seconds
        self._idle = idle or Idle(_IDLE_SECONDS)
        self._age = age or Idle(_OLD_SECONDS)
        self._producer: AIOKafkaProducer | None = None
        self._lock = asyncio.Lock()
        self._given: set[int] = set()  # partitions that a broker was given something for since the append began

    async def append(self, events: Sequence[Event], *, within: float | None = None) -> list[Appended | NotAppended]:
        answers: dict[int, Appended] = {}
        placed: dict[int, int] = {}
        self._given.clear()
        reason = "the broker did not answer in time"
        try:
            async with asyncio.timeout(self._budget_seconds if within is None else min(self._budget_seconds, within)):
                await self._send(events, answers, placed)
        except (KafkaError, OSError) as error:
            reason = type(error).__name__
        except TimeoutError:
            pass
        if len(answers) == len(events):
            self._idle.touch()
            return [answers[index] for index in range(len(events))]
        given = frozenset(self._given)
        await self._discard()
        unknown, absent = NotAppended(reason), NotAppended(reason, sent=False)
        return [
            answers.get(index) or (unknown if placed.get(index) in given else absent) for index in range(len(events))
        ]

    async def check(self) -> None:
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                producer = await self._connected()
                alive = await producer.client.force_metadata_update()
        except (KafkaError, OSError, TimeoutError):
            alive = False
        if not alive:
            await self._discard()
            raise Unavailable("No broker answers.", retry_after_seconds=2)

    async def close(self) -> None:
        """Let go of the producer. Nothing is waiting in it: every append has been answered."""
        await self._discard()

    async def _send(self, events: Sequence[Event], answers: dict[int, Appended], placed: dict[int, int]) -> None:
        producer = await self._connected()
        partitions = len(await producer.partitions_for(self._topic))
        groups: dict[int, list[int]] = defaultdict(list)
        keys = [f"{event.tenant}/{event.partition_key}".encode() for event in events]
        for index, key in enumerate(keys):
            placed[index] = partition_of(key, partitions)
            groups[placed[index]].append(index)
        sent = [
            batch
            for partition, members in groups.items()
            for batch in await self._send_partition(producer, partition, members, events, keys)
        ]
        for batch in sent:
            await batch.collect(answers)

    async def _send_partition(
        self, producer: AIOKafkaProducer, partition: int, members: list[int], events: Sequence[Event], keys: list[bytes]
    ) -> list["_Sent"]:
        sent: list[_Sent] = []
        batch, indexes = producer.create_batch(), list[int]()
        for index in members:
            record = {"key": keys[index], "value": encode(events[index]), "timestamp": _milliseconds(events[index])}
            if batch.append(**record) is None:
                future = await producer.send_batch(batch, self._topic, partition=partition)
                sent.append(_Sent(partition, indexes, future))
                batch, indexes = producer.create_batch(), []
                batch.append(**record)
            indexes.append(index)
        future = await producer.send_batch(batch, self._topic, partition=partition)
        return [*sent, _Sent(partition, indexes, future)]

    async def _connected(self) -> AIOKafkaProducer:
        async with self._lock:
            if self._idle.over() or self._age.over():
                await self._discard()
            if self._producer is None:
                self._idle.touch()
                self._age.touch()
                self._producer = AIOKafkaProducer(
                    bootstrap_servers=self._bootstrap,
                    client_id=self._client_id,
                    enable_idempotence=True,
                    acks="all",
                    compression_type="lz4",
                    max_batch_size=_MAX_BATCH_BYTES,
                    request_timeout_ms=int(self._budget_seconds * 1000),
                    retry_backoff_ms=20,
                )
                self._watch(self._producer)
                await self._producer.start()
            return self._producer

    def _watch(self, producer: AIOKafkaProducer) -> None:
        """Note for which partitions something is handed to a connection: what never was is certainly not in the log."""
        send = producer.client.send

        async def watched(node_id: int, request: object, **options: object) -> object:
            if isinstance(request, ProduceRequest):
                if not await producer.client.ready(node_id):
                    raise NodeNotReadyError("The broker cannot be reached.")
                self._given.update(partition for _, batches in request._topics for partition, _ in batches)
            return await send(node_id, request, **options)

        producer.client.send = watched

    async def _discard(self) -> None:
        """Drop the producer without a flush: what it held must not be sent in some later invocation."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        producer._closed = True  # its finalizer would warn of what is done here on purpose
        sender = producer._sender
        with contextlib.suppress(KafkaError, OSError, TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(_DISCARD_SECONDS):
                if sender.sender_task is not None:
                    sender.sender_task.cancel()
                await producer.client.close()
                await sender.close()


class _Sent:
    """A batch on its way: which events it holds, in order, and the broker's answer to come."""

    def __init__(self, partition: int, indexes: list[int], future: asyncio.Future[object]) -> None:
        self._partition = partition
        self._indexes = indexes
        self._future = future

    async def collect(self, answers: dict[int, Appended]) -> None:
        metadata = await self._future
        base: int = metadata.offset  # type: ignore[attr-defined]  # RecordMetadata of the batch's first record
        for place, index in enumerate(self._indexes):
            answers[index] = Appended(Position(self._partition, base + place))


def _milliseconds(event: Event) -> int:
    return int(event.received_at.timestamp() * 1000)
