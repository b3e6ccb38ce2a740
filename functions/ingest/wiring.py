"""What `ingest` is made of: the only place that names its adapters."""

from dataclasses import dataclass

from shared.access.development_key import DevelopmentKey
from shared.access.ports import Authenticator
from shared.adapters.aws.spool import S3Spool
from shared.adapters.kafka.log import KafkaEventLog
from shared.adapters.redis.admission import RedisAdmission
from shared.adapters.redis.answers import RedisAnswers
from shared.adapters.redis.backlog import RedisBacklog
from shared.adapters.redis.connection import RedisConnection
from shared.adapters.redis.snapshots import RedisSnapshots
from shared.adapters.redis.waiters import RedisWaiters, blocking_connection
from shared.events.admission import Quota
from shared.events.ingest import Ingest
from shared.events.outage import SpoolingLog
from shared.events.ports import EventLog
from shared.events.topics import EVENTS
from shared.eventtypes.model import EventType
from shared.eventtypes.ports import TypeReader
from shared.eventtypes.rules import CachedRules
from shared.idempotency.ports import Answers
from shared.kit.clock import Clock, SystemClock
from shared.runtime.settings import IngestSettings

QUOTA = Quota(events_per_second=2000, burst=10_000)
"""What every tenant may send. The burst is ten of the largest batches."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The room behind the door."""

    access: Authenticator
    log: EventLog
    ingest: Ingest
    answers: Answers
    clock: Clock


class ReplicaTypes:
    """A TypeReader over the replica.

    SQLAlchemy costs 0.4 s of CPU to import, and only an environment that finds no snapshot needs it: it is imported
    then.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._reader: TypeReader | None = None

    async def current(self, tenant: str) -> dict[str, EventType]:
        if self._reader is None:
            from shared.adapters.postgres.engine import Reader
            from shared.adapters.postgres.eventtypes import PostgresTypeStore

            self._reader = PostgresTypeStore(Reader(self._url, application_name="ingest"))
        return await self._reader.current(tenant)


def wire(settings: IngestSettings) -> Parts:
    """The room over Kafka, Redis and the spool. Nothing connects before the first request."""
    clock = SystemClock()
    redis = RedisConnection(settings.redis_url, client_name="ingest")
    admission = RedisAdmission(redis, QUOTA)
    waiters = RedisWaiters(redis, blocking_connection(settings.redis_url, client_name="ingest"))
    rules = CachedRules(RedisSnapshots(redis), ReplicaTypes(settings.database_read_url))
    log = KafkaEventLog(settings.kafka_bootstrap, EVENTS, client_id="ingest")
    outage = SpoolingLog(log, S3Spool(settings.spool_bucket), RedisBacklog(redis), clock)
    ingest = Ingest(outage, rules, admission, waiters, clock)
    return Parts(DevelopmentKey(settings.api_key_sha256), log, ingest, RedisAnswers(redis), clock)
