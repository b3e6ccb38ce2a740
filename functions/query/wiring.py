"""What `query` is made of: the only place that names its adapters."""

from dataclasses import dataclass

from shared.access.development_key import DevelopmentKey
from shared.access.ports import Authenticator
from shared.adapters.postgres.engine import Reader
from shared.adapters.postgres.reader import PostgresEventReader
from shared.adapters.redis.cache import RedisCache
from shared.adapters.redis.connection import RedisConnection
from shared.events.query import Query
from shared.kit.cursor import CursorSigner
from shared.runtime.settings import QuerySettings


@dataclass(frozen=True, slots=True)
class Parts:
    """The room behind the door."""

    access: Authenticator
    query: Query


def wire(settings: QuerySettings) -> Parts:
    """The room over the replica, with the cache before it. Nothing connects before the first request."""
    reader = PostgresEventReader(Reader(settings.database_read_url, application_name="query"))
    cache = RedisCache(RedisConnection(settings.redis_url, client_name="query"))
    return Parts(DevelopmentKey(settings.api_key_sha256), Query(reader, cache, CursorSigner(settings.cursor_secret)))
