"""Every environment variable that a function reads, on one screen.

One class a function, named after it. A field's name in upper case is the variable. Powertools reads its own three
(`POWERTOOLS_SERVICE_NAME`, `POWERTOOLS_METRICS_NAMESPACE`, `POWERTOOLS_LOG_LEVEL`) by itself.
"""

import os
from collections.abc import Mapping
from typing import Annotated, Self

import msgspec


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How a class of settings is read."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read the fields from `environment` (the process's own by default).

        Raises:
            RuntimeError: a variable is missing or is not of its field's type; the message names it, never its value.
        """
        source = os.environ if environment is None else environment
        found = {name: source[name.upper()] for name in cls.__struct_fields__ if name.upper() in source}
        try:
            return msgspec.convert(found, cls, strict=False)
        except msgspec.ValidationError as error:
            raise RuntimeError(f"{cls.__name__}: {error} (a field is its environment variable in lower case)") from None

    @classmethod
    def environment_names(cls) -> frozenset[str]:
        """The variables that this class reads."""
        return frozenset(name.upper() for name in cls.__struct_fields__)


class IngestSettings(Settings, frozen=True, kw_only=True):
    """HTTP in, Kafka out, the spool behind it. The replica is asked for event types that Redis does not know."""

    kafka_bootstrap: str
    redis_url: str
    database_read_url: str
    spool_bucket: str
    api_key_sha256: str


class QuerySettings(Settings, frozen=True, kw_only=True):
    """HTTP in, cache and read replica behind."""

    database_read_url: str
    redis_url: str
    api_key_sha256: str
    cursor_secret: str


class PersistSettings(Settings, frozen=True, kw_only=True):
    """Kafka in, PostgreSQL out, and dead letters back to Kafka; Redis tells those who wait.

    A partition stops where more than `max_poison_share` (0 to 1) of its last records is poison. With 1 none ever does.
    """

    database_url: str
    redis_url: str
    kafka_bootstrap: str
    max_poison_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5


class BurySettings(Settings, frozen=True, kw_only=True):
    """Dead letters in, PostgreSQL out."""

    database_url: str


class ManageSettings(Settings, frozen=True, kw_only=True):
    """HTTP in, the writer behind it. The brokers are asked how far consumers are."""

    database_url: str
    redis_url: str
    api_key_sha256: str
    cursor_secret: str
    kafka_bootstrap: str
    connection_budget: int
    jobs_queue_url: str


class JobsSettings(Settings, frozen=True, kw_only=True):
    """A queue in; behind it all that a job may move or remove. Erased subjects are known by a hash with the secret."""

    kafka_bootstrap: str
    database_url: str
    database_read_url: str
    redis_url: str
    spool_bucket: str
    jobs_queue_url: str
    erasure_secret: str


class DrainSettings(Settings, frozen=True, kw_only=True):
    """The spool in, Kafka out."""

    kafka_bootstrap: str
    redis_url: str
    spool_bucket: str


class MigrateSettings(Settings, frozen=True, kw_only=True):
    """Straight to the writer, past the pooler: DDL and advisory locks pin a pooled connection."""

    database_direct_url: str
    kafka_bootstrap: str
    kafka_replication: int


class MaintainSettings(Settings, frozen=True, kw_only=True):
    """Straight to the writer, past the pooler, as `migrate`. `connection_budget` is how many connections we allow."""

    database_direct_url: str
    kafka_bootstrap: str
    jobs_queue_url: str
    connection_budget: int
