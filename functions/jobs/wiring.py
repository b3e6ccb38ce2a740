"""What `jobs` is made of: the only place that names its adapters."""

from shared.adapters.aws.spool import S3Spool
from shared.adapters.aws.wake import SqsWake
from shared.adapters.kafka.log import KafkaEventLog
from shared.adapters.kafka.reading import KafkaConsumers, KafkaLogReader
from shared.adapters.postgres.deadletters import PostgresDeadLetterStore
from shared.adapters.postgres.engine import Reader, Writer
from shared.adapters.postgres.erasures import PostgresErasures
from shared.adapters.postgres.eventtypes import PostgresTypeStore
from shared.adapters.postgres.jobs import PostgresJobStore
from shared.adapters.postgres.present import PostgresRows
from shared.adapters.postgres.reader import PostgresEventReader
from shared.adapters.postgres.remains import PostgresRemains
from shared.adapters.postgres.store import PostgresEventStore
from shared.adapters.redis.backlog import RedisBacklog
from shared.adapters.redis.connection import RedisConnection
from shared.adapters.redis.traces import RedisTraces
from shared.events.topics import DEAD_EVENTS, EVENTS, Topic
from shared.jobs.again import Again
from shared.jobs.engine import Step
from shared.jobs.erasure import Erasure, Places, Watched
from shared.jobs.letters import Discard, Redrive
from shared.jobs.model import Kind
from shared.jobs.replay import Replay, Storage
from shared.jobs.work import Work
from shared.kit.clock import SystemClock
from shared.runtime.settings import JobsSettings


def wire(settings: JobsSettings) -> Step:
    """Steps over the log, the writer and the queue. Nothing connects before the first message."""
    clock = SystemClock()
    writer = Writer(settings.database_url, application_name="jobs")
    letters, erasures = PostgresDeadLetterStore(writer), PostgresErasures(writer, settings.erasure_secret)
    log = KafkaEventLog(settings.kafka_bootstrap, EVENTS, client_id="jobs")
    reader = KafkaLogReader(settings.kafka_bootstrap, EVENTS, client_id="jobs")
    dead = KafkaLogReader(settings.kafka_bootstrap, DEAD_EVENTS, client_id="jobs")
    again = Again(log, reader)
    replica = Reader(settings.database_read_url, application_name="jobs")
    storage = Storage(PostgresEventReader(replica), PostgresEventStore(writer), PostgresRows(writer))
    redis = RedisConnection(settings.redis_url, client_name="jobs")
    places = Places(
        S3Spool(settings.spool_bucket),
        RedisBacklog(redis),
        [_watched(settings, EVENTS, reader, "persist"), _watched(settings, DEAD_EVENTS, dead, "bury")],
        PostgresRemains(writer),
        RedisTraces(redis),
    )
    works: dict[Kind, Work] = {
        Kind.REDRIVE: Redrive(letters, again, erasures, PostgresTypeStore(writer), clock),
        Kind.DISCARD: Discard(letters, clock),
        Kind.REPLAY: Replay(reader, again, storage, erasures, clock),
        Kind.ERASURE: Erasure(places, erasures, clock),
    }
    return Step(PostgresJobStore(writer), SqsWake(settings.jobs_queue_url), works, clock)


def _watched(settings: JobsSettings, topic: Topic, reader: KafkaLogReader, group: str) -> Watched:
    return Watched(topic, reader, KafkaConsumers(settings.kafka_bootstrap, topic, group, client_id="jobs"))
