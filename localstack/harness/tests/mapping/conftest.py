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
