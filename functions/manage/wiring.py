"""What `manage` is made of: the only place that names its adapters."""

from dataclasses import dataclass

from shared.access.development_key import DevelopmentKey
from shared.access.ports import Authenticator
from shared.adapters.aws.wake import SqsWake
from shared.adapters.kafka.lag import KafkaFigures
from shared.adapters.postgres.deadletters import PostgresDeadLetterStore
from shared.adapters.postgres.engine import Writer
from shared.adapters.postgres.eventtypes import PostgresTypeStore
from shared.adapters.postgres.figures import PostgresFigures
from shared.adapters.postgres.jobs import PostgresJobStore
from shared.adapters.redis.answers import RedisAnswers
from shared.adapters.redis.connection import RedisConnection
from shared.adapters.redis.snapshots import RedisSnapshots
from shared.deadletters.letters import Letters
from shared.eventtypes.registry import Registry
from shared.idempotency.ports import Answers
from shared.jobs.jobs import Jobs
from shared.kit.clock import SystemClock
from shared.kit.cursor import CursorSigner
from shared.runtime.settings import ManageSettings
from shared.status.assemble import Statuses


@dataclass(frozen=True, slots=True)
class Parts:
    """The room behind the door."""

    access: Authenticator
    registry: Registry
    letters: Letters
    jobs: Jobs
    statuses: Statuses
    answers: Answers


def wire(settings: ManageSettings) -> Parts:
    """The room over the writer. Nothing connects before the first request."""
    writer = Writer(settings.database_url, application_name="manage")
    redis = RedisConnection(settings.redis_url, client_name="manage")
    figures = PostgresFigures(writer, connection_budget=settings.connection_budget)
    clock = SystemClock()
    return Parts(
        DevelopmentKey(settings.api_key_sha256),
        Registry(PostgresTypeStore(writer), RedisSnapshots(redis), clock),
        Letters(PostgresDeadLetterStore(writer), CursorSigner(settings.cursor_secret), clock),
        Jobs(PostgresJobStore(writer), SqsWake(settings.jobs_queue_url), clock),
        Statuses(KafkaFigures(settings.kafka_bootstrap, client_id="manage"), figures, clock),
        RedisAnswers(redis),
    )
