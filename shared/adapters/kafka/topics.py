"""Topics, made by the deploy before anything needs them."""

import asyncio
from collections.abc import Sequence

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from shared.events.topics import Topic
from shared.kit.errors import Unavailable

_REQUEST_MS = 15_000
_LEADER_ATTEMPTS = 100  # 10 s: a leader is elected within one on a healthy cluster
_PAUSE_SECONDS = 0.1
_OF_TOPIC = 1  # where a setting comes from, in DescribeConfigs: the topic itself, and no default


async def create_topics(bootstrap: str, topics: Sequence[Topic], *, replication: int) -> list[str]:
    """Create the topics that are missing, wait until every partition has a leader, and name those created.

    Topics that are there get the settings of ours that they lack; what somebody else has set besides stays.
    `min.insync.replicas` is one below `replication` (1 where there is one broker), so that one broker may be away.

    Raises:
        Unavailable: no broker answered, a topic was refused, or a partition has no leader after 10 s.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=_REQUEST_MS)
    try:
        await admin.start()
        existing = set(await admin.list_topics())
        missing = [topic for topic in topics if topic.name not in existing]
        if missing:
            await _create(admin, missing, replication)
        for topic in topics:
            if topic.name in existing:
                await _configure(admin, topic, replication)
        await _wait_for_leaders(admin, topics)
    except (KafkaError, OSError) as error:
        raise Unavailable(f"Topics could not be created ({type(error).__name__}).") from error
    finally:
        await admin.close()
    return [topic.name for topic in missing]


async def _create(admin: AIOKafkaAdminClient, topics: Sequence[Topic], replication: int) -> None:
    wanted = [
        NewTopic(
            topic.name,
            topic.partitions,
            replication,
            topic_configs=_settings(topic, replication),
        )
        for topic in topics
    ]
    answer = await admin.create_topics(wanted)
    for name, code, *_ in answer.topic_errors:
        failure = for_code(code)
        if code and failure is not TopicAlreadyExistsError:
            raise Unavailable(f"Topic {name} was refused ({failure.__name__}).")


def _settings(topic: Topic, replication: int) -> dict[str, str]:
    settings = {
        "min.insync.replicas": str(max(1, replication - 1)),
        "retention.ms": str(topic.retention_hours * 3_600_000),
        "segment.ms": str(topic.segment_hours * 3_600_000),
    }
    if topic.max_record_bytes is not None:
        settings["max.message.bytes"] = str(topic.max_record_bytes)
    return settings


async def _configure(admin: AIOKafkaAdminClient, topic: Topic, replication: int) -> None:
    """Change what differs. The request that brokers of all versions know replaces all that is set, so all is sent."""
    resource = ConfigResource(ConfigResourceType.TOPIC, topic.name)
    (answer,) = await admin.describe_configs([resource])
    ((code, _, _, _, entries),) = answer.resources
    if code:
        raise Unavailable(f"Topic {topic.name} does not tell its settings ({for_code(code).__name__}).")
    present = {name: value for name, value, _, source, *_ in entries if source == _OF_TOPIC}
    wanted = present | _settings(topic, replication)
    if wanted == present:
        return
    (changed,) = await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic.name, wanted)])
    ((code, *_),) = changed.resources
    if code:
        raise Unavailable(f"Topic {topic.name} refused its settings ({for_code(code).__name__}).")


async def _wait_for_leaders(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> None:
    names = [topic.name for topic in topics]
    for _ in range(_LEADER_ATTEMPTS):
        described = await admin.describe_topics(names)
        leaders = [partition["leader"] for topic in described for partition in topic["partitions"]]
        if len(leaders) >= sum(topic.partitions for topic in topics) and all(leader >= 0 for leader in leaders):
            return
        await asyncio.sleep(_PAUSE_SECONDS)
    raise Unavailable(f"Not every partition of {', '.join(names)} has a leader after 10 s.")
