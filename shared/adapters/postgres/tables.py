"""The tables, as SQLAlchemy Core knows them: what is not on the hot path asks by these.

The revisions make them, and a test holds the two together. The partitions of `events` are not here: days come and go.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB

metadata = MetaData()

_MOMENT = DateTime(timezone=True)
_NOW = text("clock_timestamp()")


def _needed(name: str, kind: object, **options: object) -> Column[object]:
    return Column(name, kind, nullable=False, **options)  # type: ignore[arg-type]


events = Table(
    "events",
    metadata,
    Column("received_day", Date, primary_key=True),
    Column("key", Uuid, primary_key=True),
    _needed("tenant", Text),
    _needed("principal", Text),
    _needed("id", Text),
    _needed("source", Text),
    _needed("type", Text),
    _needed("partition_key", Text),
    _needed("received_at", _MOMENT),
    Column("subject", Text),
    Column("time", _MOMENT),
    Column("datacontenttype", Text),
    Column("dataschema", Text),
    Column("data", JSONB),
    Column("data_base64", Text),
    _needed("extensions", JSONB),
    Column("traceparent", Text),
    _needed("partition", Integer),
    _needed("offset", BigInteger),
    _needed("stored_at", _MOMENT, server_default=_NOW),
    Column("spooled_at", _MOMENT),
    Column("redriven_at", _MOMENT),
    Index("events_tenant_type_received_at_key", "tenant", "type", "received_at", "key"),
    Index("events_tenant_received_at_key", "tenant", "received_at", "key"),
    Index("events_tenant_id", "tenant", "id"),
    postgresql_partition_by="RANGE (received_day)",
)

event_types = Table(
    "event_types",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("type", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    _needed("schema", JSON),
    _needed("mode", Text),
    _needed("compatibility", Text),
    Column("key_path", Text),
    _needed("retention_days", Integer),
    _needed("dedup_window", Integer),
    _needed("created_at", _MOMENT),
    _needed("created_by", Text),
    CheckConstraint("version > 0"),
)

event_counts = Table(
    "event_counts",
    metadata,
    Column("minute", _MOMENT, primary_key=True),
    Column("tenant", Text, primary_key=True),
    Column("type", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    _needed("events", BigInteger),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant", Text),
    _needed("topic", Text),
    _needed("partition", Integer),
    _needed("offset", BigInteger),
    _needed("timestamp_ms", BigInteger),
    Column("key", LargeBinary),
    Column("value", LargeBinary),
    _needed("code", Text),
    _needed("reason", Text),
    _needed("attempts", Integer),
    Column("traceparent", Text),
    _needed("dead_at", _MOMENT),
    _needed("buried_at", _MOMENT, server_default=_NOW),
    Column("event_id", Text),
    Column("source", Text),
    Column("type", Text),
    Column("subject", Text),
    Column("received_at", _MOMENT),
    _needed("edits", Integer, server_default="0"),
    _needed("state", Text, server_default="dead"),
    Column("settled_at", _MOMENT),
    Column("settled_by", Uuid),
    CheckConstraint("state IN ('dead', 'redriven', 'discarded')"),
    Index("dead_letters_tenant_dead_at_id", "tenant", "dead_at", "id"),
    Index("dead_letters_orphans_dead_at_id", "dead_at", "id", postgresql_where=text("tenant IS NULL")),
    Index("dead_letters_tenant_event_id", "tenant", "event_id", postgresql_where=text("state = 'dead'")),
)

dead_letter_edits = Table(
    "dead_letter_edits",
    metadata,
    Column("letter", Uuid, ForeignKey("dead_letters.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    _needed("at", _MOMENT),
    _needed("by", Text),
    _needed("why", Text),
    _needed("value", LargeBinary),
    Column("before", Text),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Uuid, primary_key=True),
    _needed("tenant", Text),
    _needed("kind", Text),
    _needed("state", Text),
    _needed("spec", JSON),
    _needed("progress", JSON),
    _needed("created_at", _MOMENT),
    _needed("created_by", Text),
    _needed("changed_at", _MOMENT),
    Column("lease", Uuid),
    Column("lease_until", _MOMENT),
    _needed("due_at", _MOMENT),
    _needed("stalls", Integer, server_default="0"),
    Index("jobs_tenant_id", "tenant", "id"),
)

erasures = Table(
    "erasures",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    _needed("asked_at", _MOMENT),
    _needed("job", Uuid),
)
