"""What `persist` is made of: the only place that names its adapters."""

from shared.adapters.postgres.engine import Writer
from shared.adapters.postgres.store import PostgresEventStore
from shared.adapters.redis.connection import RedisConnection
from shared.adapters.redis.waiters import RedisWaiters
from shared.events.persist import Persist
from shared.runtime.settings import PersistSettings


def wire(settings: PersistSettings) -> Persist:
    """The batch over the writer. Nothing connects before the first batch."""
    redis = RedisConnection(settings.redis_url, client_name="persist")
    waiters = RedisWaiters(redis, redis)  # it only tells
    return Persist(PostgresEventStore(Writer(settings.database_url, application_name="persist")), waiters)
