"""What the event log says of events when connections and brokers fail, and what the log then holds."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from millrace_harness.parts.endpoints import Endpoints
from shared.adapters.kafka.log import KafkaEventLog
from shared.adapters.memory.events import MemoryEventStore
from shared.events.envelope import decode
from shared.events.model import Appended, Event, LogRecord, NotAppended, Outcome
from shared.events.topics import Topic
from shared.kit.errors import Unavailable
from shared.kit.idle import Idle
from tests.fixtures.events import an_event
from tests.fixtures.network import gate
from tests.fixtures.parts import fresh_topic
from tests.fixtures.relay import Relay, relay
from tests.integration.test_kafka_log import records

_SLACK_SECONDS = 3.0  # for a machine that has other things to do: what is told apart is a bound from a hang
_NOBODY = "127.0.0.1:1"  # a port that nothing listens on: below 1024, and no service's

pytestmark = pytest.mark.parts


@dataclass
class Way:
    """A log that reaches its broker through a relay."""

    log: KafkaEventLog
    relay: Relay
    topic: Topic
    endpoints: Endpoints

    async def held(self, partition: int = 0) -> list[str]:
        """The ids in a partition of the topic, in order."""
        found = await records(self.endpoints, self.topic)
        places = sorted((place.offset, place) for place in found if place.partition == partition)
        return [decode(found[place].value).id for _, place in places]


@pytest.fixture
async def way(endpoints: Endpoints) -> AsyncIterator[Way]:
    """One to a topic with one partition."""
    topic = fresh_topic(endpoints, partitions=1)
    async with relay(endpoints.kafka_bootstrap) as between:
        log = KafkaEventLog(between.address, topic, client_id="outages")
        yield Way(log, between, topic, endpoints)
        await log.close()


def all_appended(answers: Sequence[Appended | NotAppended]) -> list[int]:
    """The offsets."""
    offsets = [answer.position.offset for answer in answers if isinstance(answer, Appended)]
    assert len(offsets) == len(answers)
    return offsets


def whether_sent(answers: Sequence[Appended | NotAppended]) -> list[bool]:
    """Of events that were not appended."""
    sent = [answer.sent for answer in answers if isinstance(answer, NotAppended)]
    assert len(sent) == len(answers)
    return sent


async def within(seconds: float, log: KafkaEventLog, *events: Event) -> list[Appended | NotAppended]:
    """What `log` answers, which it does in time."""
    began = time.monotonic()
    answers = await log.append(events)
    assert time.monotonic() - began < seconds + _SLACK_SECONDS
    return answers


async def test_where_nobody_listens_nothing_was_sent() -> None:
    log = KafkaEventLog(_NOBODY, Topic("any", 1, 1), client_id="outages")
    assert whether_sent(await within(0, log, an_event(), an_event())) == [False, False]


async def test_a_broker_that_never_says_a_word_was_sent_nothing() -> None:
    async with gate() as silent:
        log = KafkaEventLog(silent.address, Topic("any", 1, 1), client_id="outages")
        assert whether_sent(await within(2, log, an_event())) == [False]


async def test_after_a_silent_bootstrap_broker_there_is_time_for_the_next(endpoints: Endpoints, topic: Topic) -> None:
    async with gate() as silent:
        for _ in range(4):  # which of the two is asked first is drawn by lot
            both = f"{silent.address},{endpoints.kafka_bootstrap}"
            log = KafkaEventLog(both, topic, client_id="outages")
            all_appended(await within(2, log, an_event()))
            await log.close()


async def test_a_topic_that_is_not_there_was_sent_nothing(endpoints: Endpoints) -> None:
    log = KafkaEventLog(endpoints.kafka_bootstrap, Topic("not-there", 1, 1), client_id="outages")
    assert whether_sent(await within(2, log, an_event())) == [False]
    with pytest.raises(Unavailable):
        await log.check()
    await log.close()


async def test_no_time_at_all_is_enough_to_say_that_nothing_was_sent(way: Way) -> None:
    assert whether_sent(await way.log.append([an_event()], within=0)) == [False]
    assert await way.held() == []


async def test_a_broker_that_was_well_and_takes_no_connection_any_more_was_sent_nothing(way: Way) -> None:
    all_appended(await way.log.append([an_event("before")]))
    way.relay.is_silent = True
    way.relay.cut()
    await asyncio.sleep(0.05)  # until the loop has seen it
    assert whether_sent(await within(2, way.log, an_event())) == [False]
    assert await way.held() == ["before"]


async def test_what_a_broker_took_and_never_answered_is_unknown(way: Way) -> None:
    all_appended(await way.log.append([an_event()]))
    way.relay.is_silent = True
    assert whether_sent(await within(2, way.log, an_event())) == [True]


async def test_what_was_queued_behind_an_unanswered_batch_was_not_sent(way: Way) -> None:
    all_appended(await way.log.append([an_event()]))
    way.relay.is_silent = True
    large = [an_event(data='"' + "x" * 400_000 + '"') for _ in range(5)]  # two to a batch
    assert whether_sent(await within(2, way.log, *large)) == [True, True, False, False, False]
    way.relay.is_silent = False
    again = [an_event(), an_event()]
    all_appended(await way.log.append(again))
    assert (await way.held())[1:] == [event.id for event in again]


async def test_a_lost_answer_is_asked_for_again_and_the_event_lies_there_once(way: Way) -> None:
    all_appended(await way.log.append([an_event("before")]))
    way.relay.lost_answers = 1
    offsets = all_appended(await way.log.append([an_event("during"), an_event("during, too")]))
    all_appended(await way.log.append([an_event("after")]))
    assert way.relay.produced == 4
    assert offsets == [1, 2]
    assert await way.held() == ["before", "during", "during, too", "after"]


async def test_a_lost_request_is_sent_again_and_in_order(way: Way) -> None:
    all_appended(await way.log.append([an_event("before")]))
    way.relay.lost_requests = 2
    assert all_appended(await way.log.append([an_event("during"), an_event("during, too")])) == [1, 2]
    all_appended(await way.log.append([an_event("after")]))
    assert await way.held() == ["before", "during", "during, too", "after"]


async def test_several_batches_of_a_partition_keep_their_order_over_lost_answers_and_requests(way: Way) -> None:
    all_appended(await way.log.append([an_event("first")]))
    way.relay.lost_answers, way.relay.lost_requests = 2, 1
    large = [an_event(partition_key="one", data='"' + "x" * 400_000 + '"') for _ in range(9)]
    assert all_appended(await way.log.append(large)) == list(range(1, 10))
    assert await way.held() == ["first", *(event.id for event in large)]


async def test_requests_that_follow_each_other_keep_the_order_of_a_key_over_cut_connections(way: Way) -> None:
    events = [an_event(f"{number}", partition_key="one") for number in range(40)]
    for number, event in enumerate(events):
        way.relay.lost_answers = int(number % 3 == 1)
        if number % 5 == 2:
            way.relay.cut()
        all_appended(await way.log.append([event]))
    assert await way.held() == [event.id for event in events]


async def test_requests_by_way_of_two_environments_keep_their_order(endpoints: Endpoints, topic: Topic) -> None:
    logs = [KafkaEventLog(endpoints.kafka_bootstrap, topic, client_id="outages") for _ in range(2)]
    offsets = []
    for number in range(30):  # through the one and the other, as a gateway spreads them
        offsets += all_appended(await logs[number % 2].append([an_event(partition_key="customer-1")]))
    assert offsets == list(range(offsets[0], offsets[0] + 30))
    for log in logs:
        await log.close()


async def test_an_unknown_outcome_is_settled_by_a_resend_with_a_new_producer(way: Way) -> None:
    all_appended(await way.log.append([an_event()]))
    event = an_event()
    way.relay.lost_answers = 1_000_000
    assert whether_sent(await within(2, way.log, event)) == [True]
    way.relay.lost_answers = 0
    all_appended(await way.log.append([event]))
    assert (await way.held())[1:] == [event.id, event.id]
    found = await records(way.endpoints, way.topic)
    stored = [LogRecord(decode(record.value), place) for place, record in found.items()]
    assert await MemoryEventStore().store(stored) == [Outcome.STORED, Outcome.STORED, Outcome.DUPLICATE]


async def test_nothing_that_was_given_up_arrives_later(way: Way) -> None:
    all_appended(await way.log.append([an_event("before")]))
    way.relay.is_silent = True
    await way.log.append([an_event("given up"), an_event("given up, too")])
    way.relay.is_silent = False
    await asyncio.sleep(1)
    all_appended(await way.log.append([an_event("after")]))
    assert await way.held() == ["before", "after"]


async def test_an_append_that_is_cancelled_sends_nothing_afterwards(way: Way) -> None:
    all_appended(await way.log.append([an_event("before")]))
    way.relay.is_silent = True
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await way.log.append([an_event("cancelled")])
    way.relay.is_silent = False
    await asyncio.sleep(1)
    all_appended(await way.log.append([an_event("after")]))
    assert await way.held() == ["before", "after"]


async def test_a_refusal_is_not_an_unknown_outcome(way: Way) -> None:
    await allow_records_of(100, way)
    assert whether_sent(await within(2, way.log, an_event(), an_event())) == [False, False]


async def test_a_refusal_after_a_lost_answer_leaves_the_outcome_unknown(way: Way) -> None:
    patient = KafkaEventLog(way.relay.address, way.topic, client_id="outages", budget_seconds=20)
    event = an_event()
    way.relay.lost_answers = 1
    way.relay.before_loss = lambda: allow_records_of(100, way)
    assert whether_sent(await patient.append([event])) == [True]
    assert way.relay.produced == 2
    assert await way.held() == [event.id]
    await patient.close()


async def allow_records_of(size: int, way: Way) -> None:
    """Make `size` bytes the most that the topic takes at once: the easiest refusal to bring about."""
    admin = AIOKafkaAdminClient(bootstrap_servers=way.endpoints.kafka_bootstrap)
    await admin.start()
    resource = ConfigResource(ConfigResourceType.TOPIC, way.topic.name, {"max.message.bytes": f"{size}"})
    await admin.alter_configs([resource])
    await admin.close()


async def test_no_time_is_spent_beyond_what_is_given(way: Way) -> None:
    all_appended(await way.log.append([an_event()]))
    way.relay.is_silent = True
    began = time.monotonic()
    answers = await way.log.append([an_event()], within=0.3)
    assert time.monotonic() - began < 0.3 + 1.0
    assert whether_sent(answers) == [True]


async def test_two_appends_at_once_do_not_answer_for_each_other(way: Way) -> None:
    all_appended(await way.log.append([an_event()]))
    way.relay.is_silent = True
    first, second = await asyncio.gather(way.log.append([an_event()], within=0.3), way.log.append([an_event()]))
    assert whether_sent(first) == [True]
    assert whether_sent(second) == [False]  # it was queued behind the first, and went down with its producer


@pytest.mark.parametrize("which", ["idle", "age"])
async def test_a_producer_that_was_idle_or_is_old_is_not_used_again(
    endpoints: Endpoints, topic: Topic, which: str
) -> None:
    now = [0.0]
    clock: Callable[[], float] = lambda: now[0]  # noqa: E731  # three lines would say no more
    idle = Idle(60, wall=clock, monotonic=lambda: 0.0)
    log = KafkaEventLog(endpoints.kafka_bootstrap, topic, client_id="outages", **{which: idle})  # type: ignore[arg-type]
    all_appended(await log.append([an_event()]))
    first = log._producer
    now[0] = 59
    all_appended(await log.append([an_event()]))
    assert log._producer is first
    now[0] = 59 + 61 if which == "idle" else 61
    all_appended(await log.append([an_event()]))
    assert log._producer is not first
    await log.close()
