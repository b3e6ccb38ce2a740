"""What DeadLetterLog promises, kept by the log in memory and by Kafka."""

import time
from collections.abc import AsyncIterator

import pytest

from shared.adapters.kafka.dead import KafkaDeadLetterLog
from shared.adapters.memory.dead import MemoryDeadLetterLog
from shared.events.dead import DeadLetterLog
from shared.events.topics import Topic
from tests.fixtures.letters import a_letter

_BOUND_SECONDS = 2.0
_SLACK_SECONDS = 3.0  # for a machine that has other things to do: what is told apart is a bound from a hang
_NOBODY = "127.0.0.1:1"  # a port that nothing listens on: below 1024, and no service's


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.parts)])
async def log(request: pytest.FixtureRequest) -> AsyncIterator[DeadLetterLog]:
    """The port over something that answers."""
    if request.param == "memory":
        yield MemoryDeadLetterLog()
        return
    bootstrap, topic = request.getfixturevalue("endpoints").kafka_bootstrap, request.getfixturevalue("topic")
    kafka = KafkaDeadLetterLog(bootstrap, topic, client_id="contract")
    yield kafka
    await kafka.close()


@pytest.fixture(params=["memory", "kafka"])
async def absent(request: pytest.FixtureRequest) -> AsyncIterator[DeadLetterLog]:
    """The port over nothing."""
    if request.param == "memory":
        memory = MemoryDeadLetterLog()
        memory.away = True
        yield memory
        return
    kafka = KafkaDeadLetterLog(_NOBODY, Topic("nowhere", partitions=1, retention_hours=1), client_id="contract")
    yield kafka
    await kafka.close()


async def test_each_letter_is_answered_for(log: DeadLetterLog) -> None:
    assert await log.append([a_letter(offset=number) for number in range(50)]) == [True] * 50


async def test_a_letter_can_be_appended_again(log: DeadLetterLog) -> None:
    letter = a_letter()
    assert await log.append([letter]) + await log.append([letter, letter]) == [True] * 3


async def test_no_letters_have_no_answers(log: DeadLetterLog) -> None:
    assert await log.append([]) == []


async def test_letters_of_an_absent_log_are_not_there_and_nothing_is_raised(absent: DeadLetterLog) -> None:
    began = time.monotonic()
    assert await absent.append([a_letter(), a_letter(offset=1)]) == [False, False]
    assert time.monotonic() - began < _BOUND_SECONDS + _SLACK_SECONDS
