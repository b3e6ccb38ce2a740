"""Topics as the deploy makes them."""

import uuid
from dataclasses import replace

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # as documented
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from millrace_harness.parts.endpoints import Endpoints
from shared.adapters.kafka.topics import create_topics
from shared.events.topics import TOPICS, Topic
from shared.kit.errors import Unavailable


def wanted(partitions: int) -> Topic:
    return Topic(f"test-{uuid.uuid4().hex[:12]}", partitions=partitions, retention_hours=3)


@pytest.mark.parts
async def test_topics_that_are_missing_are_made_and_named(endpoints: Endpoints) -> None:
    first, second = wanted(1), wanted(2)
    assert await create_topics(endpoints.kafka_bootstrap, [first], replication=1) == [first.name]
    assert await create_topics(endpoints.kafka_bootstrap, [first, second], replication=1) == [second.name]
    assert await create_topics(endpoints.kafka_bootstrap, [first, second], replication=1) == []


@pytest.mark.parts
async def test_a_topic_has_the_partitions_and_the_settings_that_were_asked_for(endpoints: Endpoints) -> None:
    topic = wanted(5)
    await create_topics(endpoints.kafka_bootstrap, [topic], replication=1)
    admin = AdminClient({"bootstrap.servers": endpoints.kafka_bootstrap})
    described = admin.list_topics(topic.name, timeout=10).topics[topic.name]
    resource = ConfigResource(ResourceType.TOPIC, topic.name)
    settings = admin.describe_configs([resource])[resource].result(10)
    assert len(described.partitions) == 5
    assert {len(partition.replicas) for partition in described.partitions.values()} == {1}
    assert settings["min.insync.replicas"].value == "1"
    assert settings["retention.ms"].value == str(3 * 3_600_000)
    assert settings["segment.ms"].value == str(24 * 3_600_000)


@pytest.mark.parts
async def test_a_topic_that_is_there_gets_what_it_lacks_and_keeps_what_others_set(endpoints: Endpoints) -> None:
    topic = wanted(1)
    await create_topics(endpoints.kafka_bootstrap, [topic], replication=1)
    admin = AdminClient({"bootstrap.servers": endpoints.kafka_bootstrap})
    others = ConfigResource(ResourceType.TOPIC, topic.name)
    others.add_incremental_config(ConfigEntry("flush.ms", "7200000", incremental_operation=AlterConfigOpType.SET))
    admin.incremental_alter_configs([others])[others].result(10)
    larger = replace(topic, retention_hours=5, max_record_bytes=2 * 1024 * 1024)
    for _ in range(2):
        assert await create_topics(endpoints.kafka_bootstrap, [larger], replication=1) == []
    settings = admin.describe_configs([others])[others].result(10)
    assert settings["max.message.bytes"].value == str(2 * 1024 * 1024)
    assert settings["retention.ms"].value == str(5 * 3_600_000)
    assert settings["flush.ms"].value == "7200000"


@pytest.mark.parts
async def test_a_topic_that_the_broker_refuses_is_named(endpoints: Endpoints) -> None:
    topic = wanted(1)
    with pytest.raises(Unavailable, match=topic.name):
        await create_topics(endpoints.kafka_bootstrap, [topic], replication=99)


async def test_without_a_broker_nothing_is_made() -> None:
    with pytest.raises(Unavailable):
        await create_topics("127.0.0.1:1", TOPICS, replication=1)  # a port that nothing listens on
