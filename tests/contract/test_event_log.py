"""What EventLog promises, kept by the log in memory and by Kafka."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from shared.adapters.kafka.log import KafkaEventLog
from shared.adapters.memory.events import MemoryEventLog
from shared.events.model import Appended, Event, NotAppended
from shared.events.ports import EventLog
from shared.events.topics import Topic
from shared.kit.errors import Unavailable
from tests.fixtures.events import an_event

_BOUND_SECONDS = 2.0
_SLACK_SECONDS = 3.0  # for a machine that has other things to do: what is told apart is a bound from a hang
_NOBODY = "127.0.0.1:1"  # a port that nothing listens on: below 1024, and no service's


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.parts)])
async def log(request: pytest.FixtureRequest) -> AsyncIterator[EventLog]:
    """The port over something that answers."""
    if request.param == "memory":
        yield MemoryEventLog(partitions=4)
        return
    bootstrap, topic = request.getfixturevalue("endpoints").kafka_bootstrap, request.getfixturevalue("topic")
    kafka = KafkaEventLog(bootstrap, topic, client_id="contract")
    yield kafka
    await kafka.close()


@pytest.fixture(params=["memory", "kafka"])
async def absent(request: pytest.FixtureRequest) -> AsyncIterator[EventLog]:
    """The port over nothing."""
    if request.param == "memory":
        memory = MemoryEventLog()
        memory.away = True
        yield memory
        return
    kafka = KafkaEventLog(_NOBODY, Topic("nowhere", partitions=1, retention_hours=1), client_id="contract")
    yield kafka
    await kafka.close()


async def appended(log: EventLog, *events: Event) -> list[Appended]:
    answers = [answer for answer in await log.append(events) if isinstance(answer, Appended)]
    assert len(answers) == len(events)
    return answers


async def test_it_answers_for_each_event_in_the_order_given(log: EventLog) -> None:
    events = [an_event(partition_key=f"key-{number % 7}") for number in range(50)]
    answers = await appended(log, *events)
    assert len({answer.position for answer in answers}) == 50


async def test_events_of_one_key_land_in_one_partition_in_the_order_given(log: EventLog) -> None:
    answers = await appended(log, *(an_event(partition_key=f"key-{number % 3}") for number in range(30)))
    for key in range(3):
        positions = [answer.position for answer in answers[key::3]]
        assert len({position.partition for position in positions}) == 1
        assert [position.offset for position in positions] == sorted(position.offset for position in positions)


async def test_events_of_one_key_follow_those_of_earlier_calls(log: EventLog) -> None:
    (first,) = await appended(log, an_event(partition_key="one"))
    (second,) = await appended(log, an_event(partition_key="one"))
    assert second.position.partition == first.position.partition
    assert second.position.offset > first.position.offset


async def test_an_event_appended_again_is_another_record(log: EventLog) -> None:
    event = an_event()
    (first,) = await appended(log, event)
    (second,) = await appended(log, event)
    assert first.position != second.position


async def test_appends_at_once_are_all_answered(log: EventLog) -> None:
    answers = await asyncio.gather(*(appended(log, an_event(), an_event()) for _ in range(10)))
    assert len({answer.position for pair in answers for answer in pair}) == 20


async def test_no_events_have_no_answers(log: EventLog) -> None:
    assert await log.append([]) == []


async def test_a_log_that_answers_passes_its_check(log: EventLog) -> None:
    await log.check()
    assert await appended(log, an_event())


async def test_events_of_an_absent_log_are_not_appended_and_nothing_is_raised(absent: EventLog) -> None:
    began = time.monotonic()
    answers = await absent.append([an_event(), an_event()])
    assert [type(answer) for answer in answers] == [NotAppended, NotAppended]
    assert time.monotonic() - began < _BOUND_SECONDS + _SLACK_SECONDS


async def test_an_absent_log_does_not_pass_its_check(absent: EventLog) -> None:
    with pytest.raises(Unavailable):
        await absent.check()
