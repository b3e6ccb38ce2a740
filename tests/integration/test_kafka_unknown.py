"""What is known of an event that no broker acknowledged, and what a retried produce leaves in the log."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import aiokafka.client
import confluent_kafka
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka import Consumer

from millrace_harness.parts.endpoints import Endpoints
from shared.adapters.kafka.log import KafkaEventLog
from shared.adapters.memory.events import MemoryEventStore
from shared.events.envelope import decode
from shared.events.model import Appended, LogRecord, NotAppended, Outcome, Position
from shared.events.topics import Topic
from shared.kit.idle import Idle
from tests.fixtures.events import an_event
from tests.fixtures.network import Gate, gate
from tests.fixtures.parts import fresh_topic

_PATIENCE_SECONDS = 10.0

pytestmark = pytest.mark.parts


@pytest.fixture
def one(endpoints: Endpoints) -> Topic:
    """A topic of one partition, in which all order is visible."""
    return fresh_topic(endpoints, partitions=1)


@pytest.fixture
async def door(endpoints: Endpoints, one: Topic, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gate]:
    """A relay before the broker, for every connection that is made after `one` was."""
    async with gate(endpoints.kafka_bootstrap, is_open=True) as relay:
        host, _, port = relay.address.rpartition(":")
        connect = aiokafka.client.create_conn

        async def through(_host: str, _port: int, **options: Any) -> Any:
            return await connect(host, int(port), **options)

        # The broker tells its clients its own address, and they would go past the relay.
        monkeypatch.setattr(aiokafka.client, "create_conn", through)
        yield relay


async def in_the_log(endpoints: Endpoints, topic: Topic) -> list[LogRecord]:
    """All that the topic holds."""
    place = TopicPartition(topic.name, 0)
    found: list[LogRecord] = []
    async with AIOKafkaConsumer(bootstrap_servers=endpoints.kafka_bootstrap, auto_offset_reset="earliest") as consumer:
        consumer.assign([place])
        (end,) = (await consumer.end_offsets([place])).values()
        while await consumer.position(place) < end:
            for batch in (await consumer.getmany(timeout_ms=1000)).values():
                found += [LogRecord(decode(record.value), Position(0, record.offset)) for record in batch]
    return found


async def reached(endpoints: Endpoints, topic: Topic, offset: int) -> None:
    """Return when the log has all before `offset`."""
    consumer = Consumer({"bootstrap.servers": endpoints.kafka_bootstrap, "group.id": "looking"})
    deadline = time.monotonic() + _PATIENCE_SECONDS
    place = confluent_kafka.TopicPartition(topic.name, 0)
    while (await asyncio.to_thread(consumer.get_watermark_offsets, place, 5))[1] < offset:
        assert time.monotonic() < deadline
    consumer.close()


async def test_what_nobody_could_be_given_is_certainly_not_in_the_log() -> None:
    log = KafkaEventLog("127.0.0.1:1", Topic("any", 1, 1), client_id="integration")  # nothing listens there
    assert [answer.sent for answer in await log.append([an_event()]) if isinstance(answer, NotAppended)] == [False]
    async with gate() as silent:
        log = KafkaEventLog(silent.address, Topic("any", 1, 1), client_id="integration")
        assert [answer.sent for answer in await log.append([an_event()]) if isinstance(answer, NotAppended)] == [False]


async def test_no_time_at_all_is_enough_to_say_so(endpoints: Endpoints, one: Topic) -> None:
    log = KafkaEventLog(endpoints.kafka_bootstrap, one, client_id="integration")
    answers = await log.append([an_event()], within=0.0)
    assert [answer.sent for answer in answers if isinstance(answer, NotAppended)] == [False]
    assert await in_the_log(endpoints, one) == []


async def test_what_was_given_and_never_answered_is_unknown_and_its_resend_is_one_row(
    door: Gate, endpoints: Endpoints, one: Topic
) -> None:
    log = KafkaEventLog(door.address, one, client_id="integration")
    await log.append([an_event()])
    door.mute = True
    event = an_event()
    (answer,) = await log.append([event])
    assert isinstance(answer, NotAppended)
    assert answer.sent
    door.mute = False
    (again,) = await log.append([event])
    assert isinstance(again, Appended)
    records = await in_the_log(endpoints, one)
    assert [record.event.id for record in records[1:]] == [event.id, event.id]
    assert (await MemoryEventStore().store(records))[1:] == [Outcome.STORED, Outcome.DUPLICATE]
    await log.close()


async def test_a_broker_that_was_well_and_takes_no_connection_any_more_was_given_nothing(
    door: Gate, endpoints: Endpoints, one: Topic
) -> None:
    log = KafkaEventLog(door.address, one, client_id="integration")
    await log.append([an_event()])
    door.is_open = False
    door.cut()
    await asyncio.sleep(0.05)  # until the loop has seen it
    (answer,) = await log.append([an_event()])
    assert isinstance(answer, NotAppended)
    assert not answer.sent
    door.is_open = True
    assert len(await in_the_log(endpoints, one)) == 1


async def test_a_produce_that_is_retried_is_in_the_log_once_and_in_order(
    door: Gate, endpoints: Endpoints, one: Topic
) -> None:
    log = KafkaEventLog(door.address, one, client_id="integration")
    events = [an_event(partition_key="k") for _ in range(6)]
    await log.append(events[:2])
    door.mute = True
    sending = asyncio.ensure_future(log.append(events[2:4]))
    await reached(endpoints, one, 4)
    door.mute = False
    door.cut()  # the broker has them, and its answer is lost: the producer sends them again, under the same numbers
    assert all(isinstance(answer, Appended) for answer in await sending)
    await log.append(events[4:])
    assert [record.event.id for record in await in_the_log(endpoints, one)] == [event.id for event in events]
    await log.close()


async def test_requests_that_follow_each_other_keep_their_order(endpoints: Endpoints) -> None:
    topic = fresh_topic(endpoints, partitions=4)
    logs = [KafkaEventLog(endpoints.kafka_bootstrap, topic, client_id="integration") for _ in range(2)]
    places = []
    for number in range(30):  # through one environment and through the other, as a gateway spreads them
        (answer,) = await logs[number % 2].append([an_event(partition_key="customer-1")])
        assert isinstance(answer, Appended)
        places.append(answer.position)
    assert len({place.partition for place in places}) == 1
    assert [place.offset for place in places] == list(range(30))
    for log in logs:
        await log.close()


@pytest.mark.parametrize("which", ["idle", "age"])
async def test_a_producer_that_was_frozen_or_is_old_is_dropped_before_its_use(
    door: Gate, endpoints: Endpoints, one: Topic, which: str
) -> None:
    ahead = 0.0
    idle = Idle(60, wall=lambda: time.time() + ahead)
    never = Idle(1e9)
    log = KafkaEventLog(
        door.address,
        one,
        client_id="integration",
        idle=idle if which == "idle" else never,
        age=idle if which == "age" else never,
    )
    await log.append([an_event()])
    before = log._producer
    await log.append([an_event()])
    assert log._producer is before
    ahead = 300.0
    (answer,) = await log.append([an_event()])
    assert isinstance(answer, Appended)
    assert log._producer is not before
    await log.close()
