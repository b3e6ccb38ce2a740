"""What LogFigures promises, kept by figures in memory and by Kafka's brokers."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import uuid4

import pytest

from millrace_harness.parts.endpoints import Endpoints
from shared.adapters.kafka.lag import KafkaFigures
from shared.adapters.memory.status import MemoryLogFigures
from shared.events.topics import Topic
from shared.kit.errors import Unavailable
from shared.status.model import Consumer
from shared.status.ports import LogFigures
from tests.fixtures.parts import fresh_topic

NOBODY = "127.0.0.1:1"  # a port that nothing listens on
THEN = datetime(2026, 11, 20, 1, 2, 3, 4000, UTC)
HOUR = 3600.0


class Log(Protocol):
    """A topic of 4 partitions that is kept for an hour, and a group."""

    @property
    def figures(self) -> LogFigures: ...

    @property
    def consumer(self) -> Consumer: ...

    async def append(self, partition: int, *moments: datetime) -> None: ...

    async def commit(self, partition: int, offset: int) -> None: ...

    async def drop_before(self, partition: int, offset: int) -> None: ...


class InMemory:
    def __init__(self) -> None:
        self.figures = MemoryLogFigures()
        self.consumer = Consumer("group", Topic("topic", partitions=4, retention_hours=1))

    async def append(self, partition: int, *moments: datetime) -> None:
        for moment in moments:
            self.figures.append("topic", partition, moment)

    async def commit(self, partition: int, offset: int) -> None:
        self.figures.commit("group", "topic", partition, offset)

    async def drop_before(self, partition: int, offset: int) -> None:
        self.figures.drop_before("topic", partition, offset)


@dataclass
class InKafka:
    bootstrap: str
    topic: Topic

    def __post_init__(self) -> None:
        self.figures = KafkaFigures(self.bootstrap, client_id="contract")
        self.consumer = Consumer(f"group-{uuid4().hex[:12]}", self.topic)

    async def append(self, partition: int, *moments: datetime) -> None:
        from aiokafka import AIOKafkaProducer

        async with AIOKafkaProducer(bootstrap_servers=self.bootstrap, acks="all") as producer:
            for moment in moments:
                stamp = int(moment.timestamp() * 1000)
                await producer.send_and_wait(self.topic.name, b"x" * 200_000, partition=partition, timestamp_ms=stamp)

    async def commit(self, partition: int, offset: int) -> None:
        from aiokafka import AIOKafkaConsumer, TopicPartition

        reader = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, group_id=self.consumer.group)
        await reader.start()
        place = TopicPartition(self.topic.name, partition)
        reader.assign([place])
        await reader.commit({place: offset})
        await reader.stop()

    async def drop_before(self, partition: int, offset: int) -> None:
        from aiokafka import TopicPartition
        from aiokafka.admin import AIOKafkaAdminClient
        from aiokafka.admin.records_to_delete import RecordsToDelete

        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        await admin.delete_records({TopicPartition(self.topic.name, partition): RecordsToDelete(offset)})
        await admin.close()


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.parts)])
async def log(request: pytest.FixtureRequest) -> AsyncIterator[Log]:
    """A log that has nothing yet."""
    if request.param == "memory":
        yield InMemory()
        return
    endpoints = request.getfixturevalue("endpoints")
    yield InKafka(endpoints.kafka_bootstrap, fresh_topic(endpoints))


async def test_a_group_without_records_is_not_behind(log: Log) -> None:
    (found,) = await log.figures.lag([log.consumer])
    assert (found.group, found.topic) == (log.consumer.group, log.consumer.topic.name)
    assert (found.lag, found.lost, found.retention_seconds) == (0, 0, HOUR)
    assert [each.partition for each in found.partitions] == [0, 1, 2, 3]
    assert found.oldest_age_seconds(THEN) is None
    assert found.time_to_loss_seconds(THEN) is None


async def test_a_group_that_has_done_nothing_starts_at_the_oldest_record(log: Log) -> None:
    await log.append(1, THEN, THEN + timedelta(seconds=1))
    (found,) = await log.figures.lag([log.consumer])
    assert [each.lag for each in found.partitions] == [0, 2, 0, 0]
    assert found.partitions[1].oldest_at == THEN


async def test_the_oldest_record_that_is_not_done_tells_the_time_to_loss(log: Log) -> None:
    await log.append(0, *(THEN + timedelta(seconds=number) for number in range(3)))
    await log.append(2, *(THEN + timedelta(seconds=60 + number) for number in range(4)))
    await log.append(3, THEN)
    await log.commit(0, 2)
    await log.commit(2, 1)
    await log.commit(3, 1)
    (found,) = await log.figures.lag([log.consumer])
    assert [(each.done, each.end, each.lag) for each in found.partitions] == [
        (2, 3, 1),
        (0, 0, 0),
        (1, 4, 3),
        (1, 1, 0),
    ]
    moments = [each.oldest_at for each in found.partitions]
    assert moments == [THEN + timedelta(seconds=2), None, THEN + timedelta(seconds=61), None]
    now = THEN + timedelta(seconds=102)
    assert found.oldest_age_seconds(now) == 100.0
    assert found.time_to_loss_seconds(now) == HOUR - 100.0
    assert found.time_to_loss_seconds(now + timedelta(days=1)) == 0.0


async def test_records_that_were_dropped_before_they_were_done_are_told_as_lost(log: Log) -> None:
    await log.append(0, *(THEN + timedelta(seconds=number) for number in range(5)))
    await log.commit(0, 1)
    await log.drop_before(0, 3)
    (found,) = await log.figures.lag([log.consumer])
    first = found.partitions[0]
    assert (first.done, first.lag, first.lost) == (1, 2, 2)
    assert first.oldest_at == THEN + timedelta(seconds=3)
    await log.commit(0, 5)
    (found,) = await log.figures.lag([log.consumer])
    assert (found.lag, found.lost) == (0, 0)


async def test_every_consumer_is_told_in_the_order_asked_for(log: Log) -> None:
    await log.append(0, THEN)
    await log.commit(0, 1)
    other = Consumer("nobody-yet", log.consumer.topic)
    found = await log.figures.lag([other, log.consumer])
    assert [(each.group, each.lag) for each in found] == [("nobody-yet", 1), (log.consumer.group, 0)]


@pytest.mark.parametrize("kind", ["memory", "kafka"])
async def test_a_log_that_is_away_says_so(kind: str) -> None:
    figures: LogFigures = KafkaFigures(NOBODY, client_id="contract")
    if kind == "memory":
        memory = MemoryLogFigures()
        memory.away = True
        figures = memory
    with pytest.raises(Unavailable):
        await figures.lag([Consumer("group", Topic("topic", partitions=1, retention_hours=1))])


@pytest.mark.parts
async def test_a_topic_that_is_not_there_is_unavailable(request: pytest.FixtureRequest) -> None:
    figures = KafkaFigures(request.getfixturevalue("endpoints").kafka_bootstrap, client_id="contract")
    with pytest.raises(Unavailable):
        await figures.lag([Consumer("group", Topic("no-such-topic", partitions=1, retention_hours=1))])


@pytest.mark.parts
async def test_a_record_that_expires_while_it_is_looked_for_hides_none_of_the_figures(
    endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aiokafka import AIOKafkaConsumer, TopicPartition

    log = InKafka(endpoints.kafka_bootstrap, fresh_topic(endpoints))
    await log.append(1, THEN, THEN + timedelta(seconds=1))
    await log.drop_before(1, 1)

    async def before(_: AIOKafkaConsumer, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, 0)

    monkeypatch.setattr(AIOKafkaConsumer, "beginning_offsets", before)
    (found,) = await log.figures.lag([log.consumer])
    assert found.partitions[1].oldest_at == THEN + timedelta(seconds=1)
