"""The event log over a real broker, and over what only looks like one."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from confluent_kafka import KafkaError, Message, Producer

from millrace_harness.parts.endpoints import Endpoints
from shared.adapters.kafka.log import KafkaEventLog
from shared.events.envelope import decode
from shared.events.model import Appended, Event, NotAppended, Position
from shared.events.topics import Topic
from tests.fixtures.events import an_event
from tests.fixtures.network import gate
from tests.fixtures.parts import fresh_topic

_BOUND_SECONDS = 2.5  # the budget, and the time to let go of the producer
_SLACK_SECONDS = 3.0  # for a machine that has other things to do: what is told apart is a bound from a hang

pytestmark = pytest.mark.parts


@pytest.fixture
async def log(endpoints: Endpoints, topic: Topic) -> AsyncIterator[KafkaEventLog]:
    """One that has not connected yet."""
    made = KafkaEventLog(endpoints.kafka_bootstrap, topic, client_id="integration")
    yield made
    await made.close()


async def positions(log: KafkaEventLog, *events: Event) -> list[Position]:
    answers = await log.append(events)
    return [answer.position for answer in answers if isinstance(answer, Appended)]


async def records(endpoints: Endpoints, topic: Topic) -> dict[Position, ConsumerRecord]:
    """All that the topic holds."""
    places = [TopicPartition(topic.name, partition) for partition in range(topic.partitions)]
    found: dict[Position, ConsumerRecord] = {}
    async with AIOKafkaConsumer(bootstrap_servers=endpoints.kafka_bootstrap, auto_offset_reset="earliest") as consumer:
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        while any([await consumer.position(place) < ends[place] for place in places]):
            for batch in (await consumer.getmany(timeout_ms=1000)).values():
                found |= {Position(record.partition, record.offset): record for record in batch}
    return found


async def test_every_event_lies_where_its_answer_says(log: KafkaEventLog, endpoints: Endpoints, topic: Topic) -> None:
    events = [an_event(partition_key=f"key-{number % 5}") for number in range(100)]
    places = await positions(log, *events)
    found = await records(endpoints, topic)
    assert [decode(found[place].value).id for place in places] == [event.id for event in events]


async def test_a_record_has_its_key_and_no_headers(log: KafkaEventLog, endpoints: Endpoints, topic: Topic) -> None:
    event = an_event(partition_key="customer-1")
    (place,) = await positions(log, event)
    record = (await records(endpoints, topic))[place]
    assert record.key == b"tests/customer-1"
    assert record.headers == ()


async def test_an_event_of_long_ago_is_a_record_of_now_so_that_retention_does_not_take_it_unread(
    log: KafkaEventLog, endpoints: Endpoints, topic: Topic
) -> None:
    begun = time.time_ns() // 1_000_000
    (place,) = await positions(log, an_event(received_at=datetime(2020, 1, 1, tzinfo=UTC)))
    record = (await records(endpoints, topic))[place]
    assert begun <= record.timestamp <= time.time_ns() // 1_000_000


async def test_a_batch_of_a_thousand_is_appended_in_order(
    log: KafkaEventLog, endpoints: Endpoints, topic: Topic
) -> None:
    events = [an_event(partition_key=f"key-{number % 40}") for number in range(1000)]
    places = await positions(log, *events)
    found = await records(endpoints, topic)
    assert [decode(found[place].value).id for place in places] == [event.id for event in events]


async def test_a_batch_that_is_larger_than_the_broker_takes_at_once_keeps_its_order(
    log: KafkaEventLog, endpoints: Endpoints, topic: Topic
) -> None:
    data = '"' + "x" * 100_000 + '"'
    events = [an_event(partition_key=f"key-{number % 2}", data=data) for number in range(40)]
    places = await positions(log, *events)
    found = await records(endpoints, topic)
    assert [decode(found[place].value).id for place in places] == [event.id for event in events]
    for key in range(2):
        offsets = [place.offset for place in places[key::2]]
        assert offsets == sorted(offsets)


async def test_the_largest_event_that_is_accepted_fits_the_log(log: KafkaEventLog) -> None:
    # Written in JSON a control character takes six bytes, so an envelope may be larger than the body was.
    event = an_event(source="\N{GRINNING FACE}" * 1024, data_base64="x" * 262_144, data='"' + r"\u0001" * 43_000 + '"')
    assert len(await positions(log, event)) == 1


async def test_keys_are_placed_as_java_clients_place_them(
    log: KafkaEventLog, endpoints: Endpoints, topic: Topic
) -> None:
    events = [an_event(partition_key=f"ключ-{number}" if number % 2 else f"key-{number}") for number in range(300)]
    theirs: dict[bytes, int | None] = {}

    def delivered(error: KafkaError | None, message: Message) -> None:
        assert error is None
        theirs[message.key() or b""] = message.partition()

    producer = Producer({"bootstrap.servers": endpoints.kafka_bootstrap, "partitioner": "murmur2_random"})
    for event in events:
        key = f"{event.tenant}/{event.partition_key}".encode()
        producer.produce(topic.name, b"", key, on_delivery=delivered)
    assert producer.flush(30) == 0
    ours = await positions(log, *events)
    assert [place.partition for place in ours] == [
        theirs[f"{event.tenant}/{event.partition_key}".encode()] for event in events
    ]
    assert len({place.partition for place in ours}) == topic.partitions


async def test_a_topic_that_is_not_there_is_told_within_the_bound(endpoints: Endpoints) -> None:
    log = KafkaEventLog(endpoints.kafka_bootstrap, Topic("not-there", 1, 1), client_id="integration")
    began = time.monotonic()
    answers = await log.append([an_event()])
    assert time.monotonic() - began < _BOUND_SECONDS + _SLACK_SECONDS
    assert isinstance(answers[0], NotAppended)
    await log.close()


async def test_a_broker_that_accepts_and_never_answers_is_told_within_the_bound() -> None:
    async with gate() as silent:
        log = KafkaEventLog(silent.address, Topic("any", 1, 1), client_id="integration")
        began = time.monotonic()
        answers = await log.append([an_event(), an_event()])
        assert time.monotonic() - began < _BOUND_SECONDS + _SLACK_SECONDS
        assert [type(answer) for answer in answers] == [NotAppended, NotAppended]
        await log.close()


async def test_a_log_recovers_with_its_broker_and_sends_nothing_that_it_gave_up(endpoints: Endpoints) -> None:
    topic = fresh_topic(endpoints, partitions=1)
    given_up, sent = an_event(), an_event()
    async with gate(endpoints.kafka_bootstrap) as door:
        log = KafkaEventLog(door.address, topic, client_id="integration")
        assert await positions(log, given_up) == []
        door.is_open = True
        assert await positions(log, sent) == [Position(0, 0)]
        await log.check()
        await log.close()
    found = await records(endpoints, topic)
    assert [decode(record.value).id for record in found.values()] == [sent.id]
