"""Parts that are stopped, killed, and come back. Each test leaves the session's stack running."""

import asyncio
import signal
import time
import uuid
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from millrace_harness.parts import Endpoints, Paths, Stack

PATIENCE_SECONDS = 30


def make_topic(bootstrap: str, *, replication: int) -> str:
    topic = f"topic-{uuid.uuid4().hex}"
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.create_topics([NewTopic(topic, 1, replication)]).values():
        future.result(PATIENCE_SECONDS)
    return topic


def produce(bootstrap: str, topic: str, values: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "message.timeout.ms": PATIENCE_SECONDS * 1000})
    problems: list[object] = []

    def delivered(problem: object, message: object) -> None:
        problems.extend([problem] if problem else [])

    for value in values:
        producer.produce(topic, value, on_delivery=delivered)
    assert producer.flush(PATIENCE_SECONDS) == 0
    assert problems == []


def consume(bootstrap: str, topic: str, count: int) -> list[bytes]:
    settings = {"bootstrap.servers": bootstrap, "group.id": uuid.uuid4().hex, "auto.offset.reset": "earliest"}
    consumer = Consumer(settings)
    try:
        consumer.subscribe([topic])
        values: list[bytes] = []
        end = time.monotonic() + PATIENCE_SECONDS
        while len(values) < count and time.monotonic() < end:
            message = consumer.poll(0.2)
            if message is not None and message.error() is None:
                values.append(bytes(message.value() or b""))
        return values
    finally:
        consumer.close()


@pytest.fixture
def whole(stack: Stack) -> Iterator[Stack]:
    """The session's stack; a test that fails half way does not spoil the next."""
    yield stack
    stack.up(print)


@pytest.fixture
async def table(whole: Stack, endpoints: Endpoints) -> AsyncIterator[str]:
    name = f"t_{uuid.uuid4().hex}"
    await ask(endpoints.database_direct_url, f"CREATE TABLE {name} (id int)")
    yield name
    await ask(endpoints.database_direct_url, f"DROP TABLE {name}")


async def ask(url: str, query: str) -> object:
    """One connection, one statement."""
    connection = await asyncpg.connect(url, statement_cache_size=0, timeout=10)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def until(url: str, query: str, wanted: object) -> None:
    """Ask until the answer is the wanted one; a server that is away is asked again."""
    end = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    answer: object = None
    while asyncio.get_running_loop().time() < end:
        try:
            answer = await ask(url, query)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as problem:
            answer = problem
        if answer == wanted:
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"{query!r} still answers {answer!r}")


@pytest.mark.parametrize("way", ["stopped", "killed"])
def test_kafka_keeps_its_records_when_it_is(whole: Stack, endpoints: Endpoints, way: str) -> None:
    kafka = whole.part("kafka")
    topic = make_topic(endpoints.kafka_bootstrap, replication=1)
    values = [str(number).encode() for number in range(20)]
    produce(endpoints.kafka_bootstrap, topic, values)
    end_part(whole, "kafka", way)
    assert kafka.report().state == {"stopped": "stopped", "killed": "dead"}[way]
    kafka.start()
    kafka.wait()
    assert consume(endpoints.kafka_bootstrap, topic, 20) == values
    assert whole.endpoints == endpoints


@pytest.mark.parametrize("way", ["stopped", "killed"])
async def test_rows_replica_and_poolers_come_back_when_the_primary_is(
    whole: Stack, endpoints: Endpoints, table: str, way: str
) -> None:
    await ask(endpoints.database_url, f"INSERT INTO {table} VALUES (1)")
    primary = whole.part("primary")
    end_part(whole, "primary", way)
    with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
        await ask(endpoints.database_url, f"INSERT INTO {table} VALUES (0)")
    primary.start()
    primary.wait()
    await until(endpoints.database_url, f"SELECT count(*) FROM {table}", 1)
    await ask(endpoints.database_url, f"INSERT INTO {table} VALUES (2)")
    await until(endpoints.database_direct_url, "SELECT state FROM pg_stat_replication", "streaming")
    await until(endpoints.database_read_url, f"SELECT count(*) FROM {table}", 2)


async def test_a_replica_that_was_away_catches_up(whole: Stack, endpoints: Endpoints, table: str) -> None:
    replica = whole.part("replica")
    replica.stop()
    await ask(endpoints.database_url, f"INSERT INTO {table} VALUES (1)")
    replica.start()
    replica.wait()
    await until(endpoints.database_read_url, f"SELECT count(*) FROM {table}", 1)


async def test_a_pooler_that_was_killed_is_mended_by_up_alone(whole: Stack, endpoints: Endpoints, table: str) -> None:
    await ask(endpoints.database_url, f"INSERT INTO {table} VALUES (1)")
    before = {report.name: report.pid for report in whole.report()}
    end_part(whole, "writer", "killed")
    said: list[str] = []
    assert whole.up(said.append) == endpoints
    after = {report.name: report.pid for report in whole.report()}
    assert {name for name in before if before[name] != after[name]} == {"writer"}
    assert said[-1] == "5 of 6 parts ran already"
    assert await ask(endpoints.database_url, f"SELECT count(*) FROM {table}") == 1


def end_part(stack: Stack, name: str, way: str) -> None:
    part = stack.part(name)
    process = stack.ledger.process(name)
    assert process
    if way == "stopped":
        part.stop()
    else:
        process.stop(signal.SIGKILL, grace_seconds=10)
    assert not process.alive


@pytest.mark.timeout(240)
def test_three_brokers_go_on_without_one_and_take_it_back(
    tmp_path_factory: pytest.TempPathFactory, stack: Stack
) -> None:
    paths = Paths(stack.paths.checkout, tmp_path_factory.mktemp("three") / "state", stack.paths.cache)
    three = Stack(paths, brokers=3)
    try:
        bootstrap = three.up(print).kafka_bootstrap
        kafka = three.part("kafka")
        assert len(bootstrap.split(",")) == len(kafka.report().pids) == 3
        topic = make_topic(bootstrap, replication=3)
        produce(bootstrap, topic, [b"all three"])
        end_broker(three, "kafka-2")
        assert kafka.report().state == "dead"
        produce(bootstrap, topic, [b"two of three"])
        kafka.start()
        kafka.wait()
        assert kafka.report().state == "running"
        assert consume(bootstrap, topic, 2) == [b"all three", b"two of three"]
    finally:
        three.down()


def end_broker(stack: Stack, name: str) -> None:
    process = stack.ledger.process(name)
    assert process
    process.stop(signal.SIGKILL, grace_seconds=10)
