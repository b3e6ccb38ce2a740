"""The event log over Apache Kafka, by one idempotent producer an environment."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import MessageBatch

from shared.adapters.kafka.placement import partition_of
from shared.adapters.kafka.producer import Producer
from shared.events.envelope import encode
from shared.events.model import Appended, Event, NotAppended, Position
from shared.events.topics import Topic
from shared.kit.errors import Unavailable
from shared.kit.idle import Idle

_BUDGET_SECONDS = 2.0
_REQUEST_SHARE = 0.4  # of the budget: after one broker or connection that is silent there is time for another
_CHECK_SECONDS = 1.0

_IDLE_SECONDS = 60.0
_OLD_SECONDS = 600.0  # MSK's IAM sessions outlive that; load balancers and brokers cut at 350 s and more


class KafkaEventLog:
    """An EventLog with acks=all and idempotence.

    aiokafka's idempotent producer never gives up on a record, and one that has seen a fatal error stays broken. So the
    bound is ours, and a producer that went over it or failed is dropped with all it still held; what it may already
    have sent stays unknown, and is reported so. So is one dropped before its use that has not been used for a minute,
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
        self._producer: Producer | None = None
        self._lock = asyncio.Lock()

    async def append(self, events: Sequence[Event], *, within: float | None = None) -> list[Appended | NotAppended]:
        sending = _Sending(events)
        try:
            async with asyncio.timeout(self._budget_seconds if within is None else min(self._budget_seconds, within)):
                producer = await self._connected()
                sending.queue(producer, self._topic, await producer.partitions(self._topic))
                await sending.wait()
        except (KafkaError, OSError) as error:
            sending.reason = type(error).__name__
        except TimeoutError:
            pass
        except BaseException:
            await self._discard(sending.producer)
            raise
        answers = sending.answers()
        if sending.is_done:
            self._idle.touch()
        else:
            await self._discard(sending.producer)
        return answers

    async def check(self) -> None:
        producer: Producer | None = None
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                producer = await self._connected()
                await producer.partitions(self._topic)
                alive = await producer.is_alive()
        except (KafkaError, OSError, TimeoutError):
            alive = False
        if not alive:
            await self._discard(producer)
            raise Unavailable("No broker answers.", retry_after_seconds=2)

    async def close(self) -> None:
        """Let go of the producer. Nothing is waiting in it: every append has been answered."""
        await self._discard(self._producer)

    async def _connected(self) -> Producer:
        async with self._lock:
            if self._idle.over() or self._age.over():
                await self._discard(self._producer)
            if self._producer is None:
                producer = Producer(
                    self._bootstrap,
                    client_id=self._client_id,
                    request_seconds=self._budget_seconds * _REQUEST_SHARE,
                )
                try:
                    await producer.start()
                except BaseException:
                    await producer.drop()
                    raise
                self._producer = producer
                self._idle.touch()
                self._age.touch()
            return self._producer

    async def _discard(self, producer: Producer | None) -> None:
        if producer is None:
            return
        if self._producer is producer:
            self._producer = None
        await producer.drop()


class _Sending:
    """Events on their way: which batch holds which of them, in order, and what became of each."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.producer: Producer | None = None
        self.reason = "the broker did not answer in time"
        self.is_done = False
        self._events = events
        self._batches: list[tuple[MessageBatch, int, list[int]]] = []

    def queue(self, producer: Producer, topic: str, partitions: int) -> None:
        """Give all to `producer`, grouped by partition. Nothing is waited for."""
        self.producer = producer
        groups: dict[int, list[tuple[int, bytes]]] = defaultdict(list)
        for index, event in enumerate(self._events):
            key = f"{event.tenant}/{event.partition_key}".encode()
            groups[partition_of(key, partitions)].append((index, key))
        for partition, members in groups.items():
            self._queue_partition(producer, topic, partition, members)

    def _queue_partition(
        self, producer: Producer, topic: str, partition: int, members: list[tuple[int, bytes]]
    ) -> None:
        batch, indexes = producer.new_batch(), list[int]()
        for index, key in members:
            event = self._events[index]
            value, timestamp = encode(event), _milliseconds(event)
            if batch.append(timestamp=timestamp, key=key, value=value) is None:
                self._batches.append((producer.queue(batch, topic, partition), partition, indexes))
                batch, indexes = producer.new_batch(), []
                batch.append(timestamp=timestamp, key=key, value=value)
            indexes.append(index)
        self._batches.append((producer.queue(batch, topic, partition), partition, indexes))

    async def wait(self) -> None:
        """Until each batch is acknowledged or has failed."""
        if self._batches:
            await asyncio.wait([batch.future for batch, _, _ in self._batches])

    def answers(self) -> list[Appended | NotAppended]:
        """What is known of each event by now."""
        found: dict[int, Appended | NotAppended] = {}
        for batch, partition, indexes in self._batches:
            base = self._base(batch)
            if base is not None:
                for place, index in enumerate(indexes):
                    found[index] = Appended(Position(partition, base + place))
            elif self.producer is not None and self.producer.may_be_in_log(batch):
                unknown = NotAppended(self.reason)
                found.update((index, unknown) for index in indexes)
        self.is_done = len(found) == len(self._events) and all(type(answer) is Appended for answer in found.values())
        absent = NotAppended(self.reason, sent=False)
        return [found.get(index, absent) for index in range(len(self._events))]

    def _base(self, batch: MessageBatch) -> int | None:
        """The offset of the batch's first record, once it is acknowledged."""
        future = batch.future
        if not future.done() or future.cancelled():
            return None
        if error := future.exception():
            self.reason = type(error).__name__
            return None
        # A broker that no longer remembers where a repeated batch lies acknowledges it without a place: unknown, too.
        base: int = future.result().offset
        return base if base >= 0 else None


def _milliseconds(event: Event) -> int:
    return int(event.received_at.timestamp() * 1000)
