"""What `migrate` is made of: the only place that names its adapters."""

from collections.abc import Mapping
from datetime import UTC

from shared.adapters.kafka.topics import create_topics
from shared.adapters.postgres.migrate import migrate
from shared.events.topics import TOPICS
from shared.kit.clock import SystemClock
from shared.runtime.deployment import Work
from shared.runtime.settings import MigrateSettings


def wire(settings: MigrateSettings) -> Work:
    """The work of a deploy: topics that are missing, then the schema. Both can be repeated."""

    async def work() -> Mapping[str, str]:
        created = await create_topics(settings.kafka_bootstrap, TOPICS, replication=settings.kafka_replication)
        today = SystemClock().now().astimezone(UTC).date()
        revision = await migrate(settings.database_direct_url, today=today)
        return {"Revision": revision, "CreatedTopics": ",".join(created)}

    return work
