"""A topic read by offsets, without a group: nobody else's place in it changes."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from shared.events.model import RawRecord
from shared.events.topics import Topic
from shared.jobs.ports import READ_BYTES, Span
from shared.kit.errors import NotFound, Unavailable
from shared.kit.idle import Idle

_BOUND_SECONDS = 5.0
_POLL_MS = 250
_FETCH_MS = 20  # a broker holds a fetch back so long where there is nothing new, and the next one waits behind it
_IDLE_SECONDS = 60.0  # after which connections count as dead, as after a freeze


class KafkaLogReader:
    """A LogReader of one topic, with one consumer an environment. Calls come one after the other."""

    def __init__(self, bootstrap: str, topic: Topic, *, client_id: str, bound_seconds: float = _BOUND_SECONDS) -> None:
        self._bootstrap = bootstrap
        self._topic = topic.name
        self._client_id = client_id
        self._bound_seconds = bound_seconds
        self._idle = Idle(_IDLE_SECONDS)
        self._consumer: AIOKafkaConsumer | None = None
        self._at: dict[int, int] = {}  # where it goes on, for each partition that it is assigned

    async def starts(self) -> dict[int, int]:
        return await self._asked(lambda consumer: self._by_partition(consumer.beginning_offsets(self._all(consumer))))

    async def ends(self) -> dict[int, int]:
        return await self._asked(lambda consumer: self._by_partition(consumer.end_offsets(self._all(consumer))))

    async def since(self, moment: datetime) -> dict[int, int]:
        milliseconds = max(0, int(moment.timestamp() * 1000))

        async def ask(consumer: AIOKafkaConsumer) -> dict[int, int]:
            everything = self._all(consumer)
            ends = await consumer.end_offsets(everything)
            found = await consumer.offsets_for_times(dict.fromkeys(everything, milliseconds))
            return {each.partition: ends[each] if found[each] is None else found[each].offset for each in everything}

        return await self._asked(ask)

    async def read(
        self, start: Mapping[int, int], end: Mapping[int, int], *, records: int, size: int = READ_BYTES
    ) -> Span:
        wanted = {partition: upto for partition, upto in end.items() if start.get(partition, 0) < upto}
        if not wanted:
            return Span([], {})
        return await self._asked(lambda consumer: self._read(consumer, start, wanted, records, size))

    async def close(self) -> None:
        """Let go of the connections."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()

    async def _read(
        self, consumer: AIOKafkaConsumer, start: Mapping[int, int], end: Mapping[int, int], records: int, size: int
    ) -> Span:
        at = {partition: start.get(partition, 0) for partition in end}
        self._turn(consumer, at)
        found: list[RawRecord] = []
        room = size
        until = time.monotonic() + self._bound_seconds / 2
        while room > 0 and len(found) < records and (open_ := [each for each in end if at[each] < end[each]]):
            tops = [TopicPartition(self._topic, partition) for partition in open_]
            batches = await consumer.getmany(*tops, timeout_ms=_POLL_MS, max_records=records - len(found))
            for top in tops:
                self._at[top.partition] = await consumer.position(top)
                at[top.partition] = min(self._at[top.partition], end[top.partition])
            for top, messages in batches.items():
                for each in messages:
                    if each.offset >= end[top.partition]:
                        break
                    room -= len(each.value or b"")
                    if found and room < 0:
                        # The consumer is beyond it already, and is sent back when it is to go on from here.
                        at[top.partition] = each.offset
                        break
                    found.append(RawRecord(top.topic, top.partition, each.offset, each.value, each.key, each.timestamp))
            if time.monotonic() > until:
                break
        if all(at[partition] == start.get(partition, 0) for partition in end):
            raise TimeoutError("nothing came")
        return Span(found, at)

    def _turn(self, consumer: AIOKafkaConsumer, at: Mapping[int, int]) -> None:
        """Have `consumer` go on at these offsets: what it has fetched beyond them already is kept where it can be."""
        if not at.keys() <= self._at.keys():
            consumer.assign([TopicPartition(self._topic, partition) for partition in at])
            self._at = {}
        for partition, offset in at.items():
            if self._at.get(partition) != offset:
                consumer.seek(TopicPartition(self._topic, partition), offset)
                self._at[partition] = offset

    async def _asked[T](self, question: Callable[[AIOKafkaConsumer], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(self._bound_seconds):
                answer = await question(await self._connected())
        except OffsetOutOfRangeError as error:
            raise NotFound("The log does not have these records any more.") from error
        except (KafkaError, OSError, TimeoutError) as error:
            await self._drop()
            raise Unavailable("No broker answers.", retry_after_seconds=2) from error
        self._idle.touch()
        return answer

    async def _connected(self) -> AIOKafkaConsumer:
        if self._idle.over():
            await self._drop()
        if self._consumer is None:
            consumer = AIOKafkaConsumer(
                self._topic,
                bootstrap_servers=self._bootstrap,
                client_id=self._client_id,
                enable_auto_commit=False,
                auto_offset_reset="none",
                request_timeout_ms=int(self._bound_seconds * 1000),
                fetch_max_wait_ms=_FETCH_MS,
            )
            self._consumer, self._at = consumer, {}
            await consumer.start()
            consumer.unsubscribe()
        return self._consumer

    async def _drop(self) -> None:
        self._idle.touch()
        consumer, self._consumer = self._consumer, None
        if consumer is None:
            return
        try:
            async with asyncio.timeout(1.0):
                await consumer.stop()
        except (KafkaError, OSError, TimeoutError):
            return  # its brokers are gone, and it with them

    def _all(self, consumer: AIOKafkaConsumer) -> list[TopicPartition]:
        partitions = consumer.partitions_for_topic(self._topic)
        if not partitions:
            raise TimeoutError("no broker knows the topic")
        return [TopicPartition(self._topic, partition) for partition in sorted(partitions)]

    @staticmethod
    async def _by_partition(asked: Awaitable[Mapping[TopicPartition, int]]) -> dict[int, int]:
        return {each.partition: offset for each, offset in (await asked).items()}


class KafkaConsumers:
    """A Consumers of one group on one topic."""

    def __init__(self, bootstrap: str, topic: Topic, group: str, *, client_id: str) -> None:
        self._bootstrap = bootstrap
        self._topic = topic.name
        self._group = group
        self._client_id = client_id

    async def behind(self, ends: Mapping[int, int]) -> int:
        admin = AIOKafkaAdminClient(
            bootstrap_servers=self._bootstrap, client_id=self._client_id, request_timeout_ms=int(_BOUND_SECONDS * 1000)
        )
        try:
            async with asyncio.timeout(_BOUND_SECONDS):
                await admin.start()
                offsets = await admin.list_consumer_group_offsets(self._group)
        except (KafkaError, OSError, TimeoutError) as error:
            raise Unavailable("No broker answers.", retry_after_seconds=2) from error
        finally:
            await admin.close()
        committed = {each.partition: told.offset for each, told in offsets.items() if each.topic == self._topic}
        return sum(max(0, end - max(0, committed.get(partition, 0))) for partition, end in ends.items())
