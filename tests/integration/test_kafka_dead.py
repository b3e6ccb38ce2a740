"""Dead letters over a real broker."""

import random
import uuid
from base64 import b64encode
from dataclasses import replace

import pytest

from millrace_harness.parts.endpoints import Endpoints
from shared.adapters.kafka.dead import KafkaDeadLetterLog
from shared.adapters.kafka.log import KafkaEventLog
from shared.adapters.kafka.topics import create_topics
from shared.adapters.memory.admission import MemoryWaiters
from shared.adapters.memory.events import MemoryEventStore
from shared.events.dead import decode
from shared.events.model import Appended, Outcome, RawRecord
from shared.events.persist import Persist
from shared.events.topics import DEAD_EVENTS, Topic
from shared.kit.clock import FixedClock
from tests.fixtures.events import MOMENT, an_event
from tests.fixtures.letters import a_letter
from tests.fixtures.parts import fresh_topic
from tests.integration.test_kafka_log import records

pytestmark = pytest.mark.parts


@pytest.fixture
async def dead_topic(endpoints: Endpoints) -> Topic:
    """A topic with the settings of `events.dead`."""
    topic = replace(DEAD_EVENTS, name=f"test-{uuid.uuid4().hex[:12]}", partitions=4)
    await create_topics(endpoints.kafka_bootstrap, [topic], replication=1)
    return topic


async def test_letters_of_a_key_lie_in_one_partition_in_order_and_whole(
    endpoints: Endpoints, dead_topic: Topic
) -> None:
    log = KafkaDeadLetterLog(endpoints.kafka_bootstrap, dead_topic, client_id="integration")
    letters = [
        a_letter(offset=number, key=b"key-%d" % (number % 3), value=bytes([0, 255, number])) for number in range(30)
    ]
    assert await log.append(letters) == [True] * 30
    await log.close()
    found = await records(endpoints, dead_topic)
    for key in {letter.key for letter in letters}:
        mine = {place: record for place, record in found.items() if record.key == key}
        assert len({place.partition for place in mine}) == 1
        in_order = [decode(mine[place].value) for place in sorted(mine, key=lambda place: place.offset)]
        assert in_order == [letter for letter in letters if letter.key == key]


async def test_a_letter_without_a_key_goes_where_its_records_partition_says(
    endpoints: Endpoints, dead_topic: Topic
) -> None:
    log = KafkaDeadLetterLog(endpoints.kafka_bootstrap, dead_topic, client_id="integration")
    assert await log.append([a_letter(partition=number, key=None) for number in range(6)]) == [True] * 6
    await log.close()
    found = await records(endpoints, dead_topic)
    assert {(decode(record.value).partition, place.partition) for place, record in found.items()} == {
        (0, 0), (1, 1), (2, 2), (3, 3), (4, 0), (5, 1),
    }  # fmt: skip


async def test_a_record_as_large_as_the_log_takes_becomes_a_letter_among_small_ones(
    endpoints: Endpoints, dead_topic: Topic
) -> None:
    events = fresh_topic(endpoints, partitions=1)
    log = KafkaEventLog(endpoints.kafka_bootstrap, events, client_id="integration")
    # What does not compress, and what storage refuses.
    large = an_event("large\0", data_base64=b64encode(random.Random(3).randbytes(680_000)).decode(), partition_key="k")
    answers = await log.append([an_event(partition_key="k"), large, an_event(partition_key="k")])
    await log.close()
    assert all(isinstance(answer, Appended) for answer in answers)
    batch = [
        RawRecord(events.name, place.partition, place.offset, record.value, record.key, record.timestamp)
        for place, record in sorted((await records(endpoints, events)).items(), key=lambda item: item[0].offset)
    ]
    assert len(batch[1].value or b"") > 900_000
    dead = KafkaDeadLetterLog(endpoints.kafka_bootstrap, dead_topic, client_id="integration")
    persist = Persist(MemoryEventStore(), dead, MemoryWaiters(), FixedClock(MOMENT), max_poison_share=0.5)
    assert await persist(batch) == [Outcome.STORED, Outcome.INVALID, Outcome.STORED]
    await dead.close()
    (letter,) = [decode(record.value) for record in (await records(endpoints, dead_topic)).values()]
    assert (letter.key, letter.value, letter.offset) == (b"tests/k", batch[1].value, batch[1].offset)
    assert letter.timestamp_ms == batch[1].timestamp_ms > 0
