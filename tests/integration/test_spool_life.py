"""The spool's life over a real broker and a real Valkey: away, spooled, back, drained, in order."""

import itertools
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from uuid import uuid4

import aiokafka.client
import boto3
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from moto import mock_aws

from millrace_harness.parts.endpoints import Endpoints
from shared.adapters.aws.spool import S3Spool
from shared.adapters.kafka.log import KafkaEventLog
from shared.adapters.redis.admission import RedisAdmission
from shared.adapters.redis.backlog import RedisBacklog
from shared.adapters.redis.connection import RedisConnection
from shared.events.admission import Entry, Fresh, Quota
from shared.events.drain import Drain
from shared.events.envelope import decode
from shared.events.model import Event
from shared.events.outage import Breaker, SpoolingLog
from shared.events.topics import Topic
from shared.kit.clock import SystemClock
from shared.kit.deadline import Deadline
from shared.kit.idle import Idle
from tests.fixtures.events import an_event
from tests.fixtures.network import Gate, gate
from tests.fixtures.parts import fresh_topic
from tests.fixtures.valkey import PATIENCE_SECONDS

pytestmark = pytest.mark.parts


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket="spool")
        yield "spool"


@pytest.fixture
def topic(endpoints: Endpoints) -> Topic:
    """A topic of one partition, in which all order is visible."""
    return fresh_topic(endpoints, partitions=1)


@pytest.fixture
async def door(endpoints: Endpoints, topic: Topic, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gate]:
    """What stands before the broker for every connection that is made from now on: shut, it lets in and is silent."""
    async with gate(endpoints.kafka_bootstrap) as relay:
        host, _, port = relay.address.rpartition(":")
        connect = aiokafka.client.create_conn

        async def through(_host: str, _port: int, **options: object) -> object:
            return await connect(host, int(port), **options)

        # The broker tells its clients its own address, and they would go past the door.
        monkeypatch.setattr(aiokafka.client, "create_conn", through)
        yield relay


@dataclass
class Environment:
    """What ingest has behind it, and the drain."""

    tenant: str
    admission: RedisAdmission
    outage: SpoolingLog
    drain: Drain

    async def send(self, *pairs: tuple[str, str]) -> list[str]:
        """Send events, each an id and a partition key. What became of them."""
        events = [an_event(id_, tenant=self.tenant, partition_key=key) for id_, key in pairs]
        admitted = await self.admission.admit(self.tenant, [_entry(event) for event in events], claim="c")
        behind = [isinstance(verdict, Fresh) and verdict.behind for verdict in admitted.verdicts]
        durable = await self.outage.append(events, behind=behind, within=9)
        assert not durable.overtakes
        return [type(answer).__name__ for answer in durable.answers]


def _entry(event: Event) -> Entry:
    return Entry(event.key, event.partition_key)


@pytest.fixture
async def environment(endpoints: Endpoints, topic: Topic, bucket: str, door: Gate) -> AsyncIterator[Environment]:
    connection = RedisConnection(endpoints.redis_url, client_name="integration", bound_seconds=PATIENCE_SECONDS)
    backlog, spool = RedisBacklog(connection), S3Spool(bucket)
    logs = [KafkaEventLog(endpoints.kafka_bootstrap, topic, client_id=name) for name in ("ingest", "drain")]
    steps = itertools.count(0, 10)  # each look at the clock is ten seconds after the last: it is always time to probe
    breaker = Breaker(Idle(2, wall=lambda: next(steps), monotonic=lambda: 0.0))
    yield Environment(
        f"tenant-{uuid4().hex[:8]}",
        RedisAdmission(connection, Quota(events_per_second=1_000_000, burst=1_000_000)),
        SpoolingLog(logs[0], spool, backlog, SystemClock(), breaker=breaker),
        Drain(spool, logs[1], backlog),
    )
    for log in logs:
        await log.close()
    await connection.close()


async def in_the_log(endpoints: Endpoints, topic: Topic) -> Sequence[Event]:
    place = TopicPartition(topic.name, 0)
    found: list[Event] = []
    async with AIOKafkaConsumer(bootstrap_servers=endpoints.kafka_bootstrap, auto_offset_reset="earliest") as consumer:
        consumer.assign([place])
        (end,) = (await consumer.end_offsets([place])).values()
        while await consumer.position(place) < end:
            for batch in (await consumer.getmany(timeout_ms=1000)).values():
                found += [decode(record.value) for record in batch]
    return found


async def test_what_a_silent_broker_did_not_take_comes_back_in_order_and_once(
    environment: Environment, door: Gate, endpoints: Endpoints, topic: Topic
) -> None:
    send, drain = environment.send, environment.drain
    assert await send(("1", "k"), ("2", "l"), ("3", "k")) == ["Spooled"] * 3
    assert await send(("4", "k")) == ["Spooled"]
    assert not (await drain(Deadline(30))).finished

    door.is_open = True
    assert await send(("5", "m")) == ["Spooled"]  # the one that finds the broker back
    assert await send(("6", "k"), ("7", "n")) == ["Spooled", "Appended"]
    drained = await drain(Deadline(30))
    assert (drained.objects, drained.events, drained.finished) == (4, 6, True)
    assert await send(("8", "k"), ("9", "m")) == ["Appended"] * 2

    events = await in_the_log(endpoints, topic)
    assert [event.id for event in events] == ["7", "1", "2", "3", "4", "5", "6", "8", "9"]
    assert [event.id for event in events if event.spooled_at] == ["1", "2", "3", "4", "5", "6"]
