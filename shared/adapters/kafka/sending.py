"""Records on their way to a topic, by one idempotent producer an environment."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence

import msgspec
from aiokafka.errors import KafkaError

from shared.adapters.kafka.placement import partitions_of
from shared.adapters.kafka.producer import Batch, Producer
from shared.events.model import Appended, NotAppended, Position
from shared.events.topics import Topic
from shared.kit.errors import Unavailable
from shared.kit.idle import Idle

BUDGET_SECONDS = 2.0
_REQUEST_SHARE = 0.4  # of the budget: after one broker or connection that is silent there is time for another
_CHECK_SECONDS = 1.0

_IDLE_SECONDS = 60.0
_OLD_SECONDS = 600.0  # MSK's IAM sessions outlive that; load balancers and brokers cut at 350 s and more


class Message(msgspec.Struct, frozen=True):
    """A record to be. One without a key goes to `partition`, counted anew where there are not so many."""

    key: bytes | None
    value: bytes
    partition: int = 0


class Sender:
    """Appends to one topic with acks=all and idempotence.

    A producer that has gone over the bound or failed is dropped: it has numbered batches that the broker may lack, and
    would be refused what comes after them. What it may have sent stays unknown, and is reported so. Dropped before its
    use is one that has not been used for a minute, as after a freeze (its connections may be dead and not know it), or
    is ten minutes old (it never authenticates again).
    """

    def __init__(
        self,
        bootstrap: str,
        topic: Topic,
        *,
        client_id: str,
        budget_seconds: float = BUDGET_SECONDS,
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

    async def send(self, messages: Sequence[Message], *, within: float | None = None) -> list[Appended | NotAppended]:
        """Append `messages`, and answer for each, in the order given: what EventLog promises of events."""
        sending, producer = _Sending(messages), None
        try:
            async with asyncio.timeout(self._budget_seconds if within is None else min(self._budget_seconds, within)):
                producer = await self._connected()
                await producer.send(sending.batches(producer.partitions))
        except TimeoutError:  # an OSError, too
            reason = "the broker did not answer in time"
        except (KafkaError, OSError) as error:
            reason = type(error).__name__
        except BaseException:
            await self._discard(producer)
            raise
        else:
            self._idle.touch()
            return sending.answers("")
        await self._discard(producer)
        return sending.answers(reason)

    async def check(self) -> None:
        """Ask for a sign of life within 1 s.

        Raises:
            Unavailable: no broker answered.
        """
        producer: Producer | None = None
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                producer = await self._connected()
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
                    self._topic,
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
    """Messages on their way: which batch holds which of them, in order."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self._messages = messages
        # Never the event's own time: the topic's retention and a consumer's maximum record age count from it, and one
        # that was spooled, redriven or replayed would be too old before anybody has read it.
        self._now_ms = time.time_ns() // 1_000_000
        self._batches: list[tuple[Batch, list[int]]] = []

    def batches(self, partitions: int) -> list[Batch]:
        """All messages, in batches by partition."""
        keyed = [index for index, message in enumerate(self._messages) if message.key is not None]
        places = [message.partition % partitions for message in self._messages]
        keys = [self._messages[index].key or b"" for index in keyed]
        for index, partition in zip(keyed, partitions_of(keys, partitions), strict=True):
            places[index] = partition
        groups: dict[int, list[int]] = defaultdict(list)
        for index, partition in enumerate(places):
            groups[partition].append(index)
        for partition, members in groups.items():
            self._fill(partition, members)
        return [batch for batch, _ in self._batches]

    def _fill(self, partition: int, members: list[int]) -> None:
        batch, indexes = Batch(partition), list[int]()
        self._batches.append((batch, indexes))
        for index in members:
            message = self._messages[index]
            if not batch.add(message.key, message.value, self._now_ms):
                batch, indexes = Batch(partition), []
                self._batches.append((batch, indexes))
                batch.add(message.key, message.value, self._now_ms)
            indexes.append(index)

    def answers(self, reason: str) -> list[Appended | NotAppended]:
        """What is known of each message by now, and why not more."""
        found: dict[int, Appended | NotAppended] = {}
        for batch, indexes in self._batches:
            base = batch.base
            if base is not None:
                for place, index in enumerate(indexes):
                    found[index] = Appended(Position(batch.partition, base + place))
            elif batch.may_be_in_log:
                unknown = NotAppended(reason)
                found.update((index, unknown) for index in indexes)
        absent = NotAppended(reason, sent=False)
        return [found.get(index, absent) for index in range(len(self._messages))]
