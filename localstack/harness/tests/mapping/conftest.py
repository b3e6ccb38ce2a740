import uuid
from collections.abc import Callable

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from millrace_harness.parts import Stack


@pytest.fixture(scope="session")
def bootstrap(stack: Stack) -> str:
    return stack.endpoints.kafka_bootstrap


@pytest.fixture
def make_topic(bootstrap: str) -> Callable[..., str]:
    """Make a topic of so many partitions, and give its name."""

    def make(partitions: int, **settings: str) -> str:
        name = f"topic-{uuid.uuid4()}"
        admin = AdminClient({"bootstrap.servers": bootstrap})
        config = {key.replace("_", "."): value for key, value in settings.items()}
        for future in admin.create_topics([NewTopic(name, partitions, 1, config=config)]).values():
            future.result(30)
        return name

    return make


@pytest.fixture
def topic(make_topic: Callable[..., str]) -> str:
    """A new topic of two partitions."""
    return make_topic(2)


@pytest.fixture
def produce(bootstrap: str, topic: str) -> Callable[[int, list[bytes]], None]:
    """Append values to a partition of the topic."""
    return lambda partition, values: append(bootstrap, topic, partition, values)


@pytest.fixture
def append_to(bootstrap: str) -> Callable[[str, int, list[bytes]], None]:
    """Append values to a partition of any topic."""
    return lambda topic, partition, values: append(bootstrap, topic, partition, values)


def append(bootstrap: str, topic: str, partition: int, values: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0, "message.max.bytes": 16_000_000})
    for value in values:
        producer.produce(topic, value, partition=partition)
    assert producer.flush(30) == 0
