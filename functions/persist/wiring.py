"""What `persist` is made of: the only place that names its adapters."""

from collections.abc import Sequence

from shared.adapters.postgres.engine import Writer
from shared.adapters.postgres.store import PostgresEventStore
from shared.adapters.redis.connection import RedisConnection
from shared.adapters.redis.waiters import RedisWaiters
from shared.events.dead import DeadLetter, DeadLetterLog
from shared.events.persist import Persist
from shared.events.topics import DEAD_EVENTS
from shared.kit.clock import SystemClock
from shared.runtime.settings import PersistSettings


class LateDeadLetterLog:
    """A DeadLetterLog over Kafka.

    aiokafka costs 35 ms of CPU to import, a tenth of a start, and only an environment that meets poison needs it: it is
    imported then.
    """

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._log: DeadLetterLog | None = None

    async def append(self, letters: Sequence[DeadLetter]) -> list[bool]:
        if self._log is None:
            from shared.adapters.kafka.dead import KafkaDeadLetterLog

            self._log = KafkaDeadLetterLog(self._bootstrap, DEAD_EVENTS, client_id="persist")
        return await self._log.append(letters)


def wire(settings: PersistSettings) -> Persist:
    """The batch over the writer. Nothing connects before the first batch, nor to Kafka before the first poison."""
    redis = RedisConnection(settings.redis_url, client_name="persist")
    waiters = RedisWaiters(redis, redis)  # it only tells
    store = PostgresEventStore(Writer(settings.database_url, application_name="persist"))
    dead = LateDeadLetterLog(settings.kafka_bootstrap)
    return Persist(store, dead, waiters, SystemClock(), max_poison_share=settings.max_poison_share)
