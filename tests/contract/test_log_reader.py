"""What LogReader promises, kept by the log in memory and by Kafka."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from shared.adapters.kafka.log import KafkaEventLog
from shared.adapters.kafka.reading import KafkaConsumers, KafkaLogReader
from shared.adapters.memory.events import MemoryEventLog
from shared.adapters.memory.reading import MemoryConsumers, MemoryLogReader
from shared.events.envelope import decode
from shared.events.ports import EventLog
from shared.events.topics import Topic
from shared.jobs.ports import LogReader
from shared.kit.errors import NotFound, Unavailable
from tests.fixtures.events import MOMENT, an_event
from tests.fixtures.parts import fresh_topic

_PARTITIONS = 3


@dataclass(frozen=True)
class Both:
    """A log, and who reads it; and how it gives up what lies before an offset of a partition."""

    log: EventLog
    reader: LogReader
    give_up: Callable[[int, int], Awaitable[None]]


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.parts)])
async def both(request: pytest.FixtureRequest) -> AsyncIterator[Both]:
    if request.param == "memory":
        memory = MemoryEventLog(_PARTITIONS)
        forgetful = MemoryLogReader(memory)

        async def forget(partition: int, offset: int) -> None:
            forgetful.first[partition] = offset

        yield Both(memory, forgetful, forget)
        return
    endpoints = request.getfixturevalue("endpoints")
    topic = fresh_topic(endpoints, partitions=_PARTITIONS)
    log = KafkaEventLog(endpoints.kafka_bootstrap, topic, client_id="contract", budget_seconds=10)
    reader = KafkaLogReader(endpoints.kafka_bootstrap, topic, client_id="contract", bound_seconds=20)

    async def give_up(partition: int, offset: int) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=endpoints.kafka_bootstrap)
        await admin.start()
        await admin.delete_records({TopicPartition(topic.name, partition): RecordsToDelete(before_offset=offset)})
        await admin.close()
        await reader.close()  # it may have them at hand

    yield Both(log, reader, give_up)
    await log.close()
    await reader.close()


@pytest.fixture(params=["memory", "kafka"])
def absent(request: pytest.FixtureRequest) -> LogReader:
    if request.param == "memory":
        memory = MemoryEventLog()
        memory.away = True
        return MemoryLogReader(memory)
    return KafkaLogReader("127.0.0.1:1", Topic("events", 1, 1), client_id="contract")


async def test_an_empty_log_begins_where_it_ends(both: Both) -> None:
    nothing = dict.fromkeys(range(_PARTITIONS), 0)
    assert await both.reader.starts() == await both.reader.ends() == await both.reader.since(MOMENT) == nothing
    assert (await both.reader.read(nothing, nothing, records=10)).records == []


async def test_all_that_was_appended_is_read_in_pieces_and_in_order(both: Both) -> None:
    events = [an_event(f"event-{number}", partition_key=str(number % 7)) for number in range(60)]
    before = time.time_ns() // 1_000_000
    await both.log.append(events)
    at, ends = await both.reader.starts(), await both.reader.ends()
    assert sum(ends.values()) == 60
    found = []
    while at != ends:
        span = await both.reader.read(at, ends, records=25)
        assert 0 < len(span.records) <= 25
        found += span.records
        at |= span.next
    assert sorted(decode(record.value).id for record in found) == sorted(event.id for event in events)
    for partition in range(_PARTITIONS):
        offsets = [record.offset for record in found if record.partition == partition]
        assert offsets == list(range(ends[partition]))
    assert all(before <= record.timestamp_ms <= time.time_ns() // 1_000_000 for record in found)


async def test_what_comes_after_the_end_that_was_noted_is_not_read(both: Both) -> None:
    await both.log.append([an_event("first", partition_key="key")])
    starts, ends = await both.reader.starts(), await both.reader.ends()
    await both.log.append([an_event("second", partition_key="key")])
    span = await both.reader.read(starts, ends, records=10)
    assert [decode(record.value).id for record in span.records] == ["first"]
    assert span.next.items() <= ends.items()


async def test_a_moment_leads_to_the_first_record_that_was_appended_then_or_later(both: Both) -> None:
    await both.log.append([an_event(partition_key="key") for _ in range(2)])
    await asyncio.sleep(0.01)  # a log tells milliseconds apart
    between = datetime.now(UTC)
    await both.log.append([an_event(partition_key="key") for _ in range(2)])
    since, ends = await both.reader.since(between), await both.reader.ends()
    assert sum(ends[partition] - since[partition] for partition in ends) == 2
    assert await both.reader.since(datetime.now(UTC) + timedelta(seconds=1)) == ends


async def test_a_read_is_bounded_in_bytes_and_one_record_always_passes(both: Both) -> None:
    await both.log.append([an_event(f"{number:03}", partition_key=str(number % 7)) for number in range(40)])
    starts, ends = await both.reader.starts(), await both.reader.ends()
    whole = (await both.reader.read(starts, ends, records=1)).records[0].value
    for size in (3 * len(whole or b""), 1):
        at, found = dict(starts), []
        while at != ends:
            span = await both.reader.read(at, ends, records=30, size=size)
            assert len(span.records) == 1 or sum(len(each.value or b"") for each in span.records) <= size
            found += span.records
            at |= span.next
        for partition in range(_PARTITIONS):
            assert [each.offset for each in found if each.partition == partition] == list(range(ends[partition]))


async def test_what_the_log_has_given_up_is_not_found_and_it_is_read_from_its_new_start(both: Both) -> None:
    await both.log.append([an_event(f"event-{number}", partition_key=str(number % 7)) for number in range(40)])
    starts, ends = await both.reader.starts(), await both.reader.ends()
    at = starts | (await both.reader.read(starts, ends, records=2)).next
    longest = max(ends, key=lambda partition: ends[partition] - at[partition])
    await both.give_up(longest, at[longest] + 3)
    with pytest.raises(NotFound):
        await both.reader.read({longest: at[longest]}, {longest: ends[longest]}, records=1)
    starts = await both.reader.starts()
    assert starts[longest] == at[longest] + 3
    at |= {longest: starts[longest]}
    rest = {partition: list(range(offset, ends[partition])) for partition, offset in at.items()}
    found = []
    while at != ends:
        span = await both.reader.read(at, ends, records=7)
        found += span.records
        at |= span.next
    for partition, offsets in rest.items():
        assert [each.offset for each in found if each.partition == partition] == offsets


async def test_a_moment_before_all_clocks_leads_to_the_start(both: Both) -> None:
    await both.log.append([an_event(partition_key="key")])
    assert await both.reader.since(datetime(2, 1, 1, tzinfo=UTC)) == await both.reader.starts()


async def test_where_no_broker_answers_everything_says_so(absent: LogReader) -> None:
    for question in (absent.starts(), absent.ends(), absent.since(MOMENT), absent.read({0: 0}, {0: 1}, records=1)):
        with pytest.raises(Unavailable):
            await question


async def test_a_group_that_has_committed_nothing_is_behind_by_all() -> None:
    assert await MemoryConsumers().behind({0: 5, 1: 2}) == 7


@pytest.mark.parts
async def test_a_group_is_behind_by_what_it_has_not_committed(request: pytest.FixtureRequest) -> None:
    bootstrap = request.getfixturevalue("endpoints").kafka_bootstrap
    topic = fresh_topic(request.getfixturevalue("endpoints"), partitions=2)
    consumers = KafkaConsumers(bootstrap, topic, f"group-{topic.name}", client_id="contract")
    assert await _known(consumers, {0: 5, 1: 2}) == 7
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=f"group-{topic.name}", enable_auto_commit=False)
    await consumer.start()
    consumer.assign([TopicPartition(topic.name, 0)])
    await consumer.commit({TopicPartition(topic.name, 0): 4})
    await consumer.stop()
    assert await consumers.behind({0: 5, 1: 2}) == 3
    assert await consumers.behind({0: 3, 1: 0}) == 0


async def _known(consumers: KafkaConsumers, ends: dict[int, int]) -> int:
    """How far they are, as soon as a cluster that has just begun has a coordinator of groups."""
    for _ in range(30):
        try:
            return await consumers.behind(ends)
        except Unavailable:
            await asyncio.sleep(1)
    raise AssertionError("no coordinator within 30 s")
