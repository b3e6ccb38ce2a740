"""An erasure over real parts: rows, answers, letters and spooled objects of a subject are removed, and no others."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import boto3
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from moto import mock_aws

from millrace_harness.parts.endpoints import Endpoints
from shared.adapters.aws.spool import S3Spool
from shared.adapters.kafka.log import KafkaEventLog
from shared.adapters.kafka.reading import KafkaConsumers, KafkaLogReader
from shared.adapters.memory.jobs import MemoryWake
from shared.adapters.postgres.deadletters import PostgresDeadLetterStore
from shared.adapters.postgres.engine import Writer
from shared.adapters.postgres.erasures import PostgresErasures
from shared.adapters.postgres.jobs import PostgresJobStore
from shared.adapters.postgres.present import PostgresRows
from shared.adapters.postgres.remains import PostgresRemains
from shared.adapters.postgres.store import PostgresEventStore
from shared.adapters.redis.backlog import RedisBacklog
from shared.adapters.redis.cache import RedisCache
from shared.adapters.redis.connection import RedisConnection
from shared.adapters.redis.traces import RedisTraces
from shared.deadletters.model import NewLetter, Scope
from shared.events.envelope import encode
from shared.events.model import Event, LogRecord, Position
from shared.events.objects import object_name
from shared.events.query import cache_key
from shared.events.topics import Topic
from shared.jobs.engine import Step
from shared.jobs.erasure import Erasure, Places, Watched
from shared.jobs.model import Job, Kind, State
from shared.kit.deadline import Deadline
from tests.fixtures.events import an_event
from tests.fixtures.jobs import a_job
from tests.fixtures.letters import a_letter
from tests.fixtures.parts import Database, fresh_topic
from tests.fixtures.valkey import PATIENCE_SECONDS

pytestmark = pytest.mark.parts

GONE = "customer-17"
_MOST_STEPS = 40


class _Leaping:
    """A clock that goes ahead of the machine's where a step waits: nobody here waits for minutes."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def spool(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Spool]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket="spool")
        yield S3Spool("spool")


@pytest.fixture
async def redis(endpoints: Endpoints) -> AsyncIterator[RedisConnection]:
    connection = RedisConnection(endpoints.redis_url, client_name="tests", bound_seconds=PATIENCE_SECONDS)
    yield connection
    await connection.close()


@pytest.fixture
async def writer(database: Database) -> AsyncIterator[Writer]:
    made = Writer(database.writer, application_name="tests")
    yield made
    await made.close()


async def test_a_subject_is_removed_from_every_part_and_what_is_on_its_way_is_waited_for(
    endpoints: Endpoints, writer: Writer, redis: RedisConnection, spool: S3Spool
) -> None:
    tenant, bootstrap, clock = f"tenant-{uuid4()}", endpoints.kafka_bootstrap, _Leaping()
    topic = await asyncio.to_thread(fresh_topic, endpoints, partitions=2)
    reader = KafkaLogReader(bootstrap, topic, client_id="tests", bound_seconds=20)
    group = f"group-{topic.name}"
    received = clock.now() - timedelta(seconds=1)

    def an(id_: str, subject: str | None = GONE) -> Event:
        return an_event(id_, tenant=tenant, subject=subject, received_at=received)

    store, letters, cache = PostgresEventStore(writer), PostgresDeadLetterStore(writer), RedisCache(redis)
    rows = [an("row-1"), an("row-2"), an("kept", "other")]
    await store.store([LogRecord(event, Position(0, offset)) for offset, event in enumerate(rows)])
    for event in rows:
        await cache.put(cache_key(tenant, event.id, None), b"{}", ttl_seconds=60)
    await spool.put(object_name("1"), [an("spooled"), an("spooled-kept", "other")], within=5)
    dead = [(a_letter(tenant=tenant, value=encode(an(name, name)), timestamp_ms=0), name) for name in (GONE, "other")]
    await letters.bury([NewLetter(letter=letter, subject=subject) for letter, subject in dead])
    late = an("late")
    await _appended(bootstrap, topic, late)

    job = a_job(Kind.ERASURE, tenant=tenant, spec={"subject": GONE}, created_at=clock.now(), due_at=clock.now())
    jobs, erasures = PostgresJobStore(writer), PostgresErasures(writer, "secret")
    await jobs.create(job)
    consumers = KafkaConsumers(bootstrap, topic, group, client_id="tests")
    watched = [Watched(topic, reader, consumers)]
    places = Places(spool, RedisBacklog(redis), watched, PostgresRemains(writer), RedisTraces(redis))
    step = Step(jobs, MemoryWake(), {Kind.ERASURE: Erasure(places, erasures, clock)}, clock)

    async def until(state: State, message: str | None = None) -> Job:
        found = job
        for _ in range(_MOST_STEPS):
            await step(job.id, Deadline(60))
            kept = await jobs.get(tenant, job.id)
            assert kept is not None
            found = kept
            clock.ahead += max(timedelta(), found.due_at - clock.now())
            if found.state is state and (message is None or message in (found.progress.message or "")):
                return found
        raise AssertionError(f"it is {found.state}: {found.progress}")

    await until(State.RUNNING, "not stored yet")
    await store.store([LogRecord(late, Position(0, 10))])
    await _committed(bootstrap, topic, group, await reader.ends())
    ended = await until(State.DONE)

    assert ended.progress.result["removed"] == {"spooled_events": 1, "rows": 3, "dead_letters": 1}
    assert GONE not in str(ended)
    assert await PostgresRows(writer).missing([*rows, late]) == {event.key for event in (*rows[:2], late)}
    assert [event.id for event in await spool.get(object_name("1"))] == ["spooled-kept"]
    found = await letters.some(Scope(tenant), [letter.id for letter, _ in dead])
    assert [each.subject for each in found] == ["other"]
    assert [await cache.get(cache_key(tenant, event.id, None)) for event in rows] == [None, None, b"{}"]
    assert await erasures.asked(tenant, [GONE]) == {GONE: job.created_at}
    await reader.close()


async def _appended(bootstrap: str, topic: Topic, event: Event) -> None:
    log = KafkaEventLog(bootstrap, topic, client_id="tests", budget_seconds=10)
    await log.append([event])
    await log.close()


async def _committed(bootstrap: str, topic: Topic, group: str, ends: dict[int, int]) -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    await consumer.start()
    consumer.assign([TopicPartition(topic.name, partition) for partition in ends])
    await consumer.commit({TopicPartition(topic.name, partition): end for partition, end in ends.items()})
    await consumer.stop()
