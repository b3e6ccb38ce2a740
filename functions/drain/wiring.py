"""What `drain` is made of: the only place that names its adapters."""

from shared.adapters.aws.spool import S3Spool
from shared.adapters.kafka.log import KafkaEventLog
from shared.adapters.redis.backlog import RedisBacklog
from shared.adapters.redis.connection import RedisConnection
from shared.events.drain import Drain
from shared.events.topics import EVENTS
from shared.runtime.settings import DrainSettings


def wire(settings: DrainSettings) -> Drain:
    """The way from the bucket back to Kafka. Nothing connects before the first message."""
    redis = RedisConnection(settings.redis_url, client_name="drain")
    log = KafkaEventLog(settings.kafka_bootstrap, EVENTS, client_id="drain")
    return Drain(S3Spool(settings.spool_bucket), log, RedisBacklog(redis))
