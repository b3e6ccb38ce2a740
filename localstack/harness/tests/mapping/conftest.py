import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from millrace_harness.parts import Paths, Stack
from millrace_harness.parts.paths import default_cache

CHECKOUT = Path(__file__).parents[4]


@pytest.fixture(scope="session")
def broker_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Real parts; these tests use the broker."""
    stack = Stack(Paths(CHECKOUT, tmp_path_factory.mktemp("mapping") / "state", default_cache()))
    try:
        stack.up(print)
        yield stack
    finally:
        stack.down()


@pytest.fixture(scope="session")
def bootstrap(broker_stack: Stack) -> str:
    return broker_stack.endpoints.kafka_bootstrap


@pytest.fixture
def topic(bootstrap: str) -> str:
    """A new topic of two partitions."""
    name = f"topic-{uuid.uuid4()}"
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.create_topics([NewTopic(name, 2, 1)]).values():
        future.result(30)
    return name


@pytest.fixture
def produce(bootstrap: str, topic: str) -> Callable[[int, list[bytes]], None]:
    """Append values to a partition of the topic."""

    def append(partition: int, values: list[bytes]) -> None:
        producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0})
        for value in values:
            producer.produce(topic, value, partition=partition)
        assert producer.flush(30) == 0

    return append
