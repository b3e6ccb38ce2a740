"""The event store: a batch is one statement in one transaction."""

import logging
from collections.abc import Sequence
from datetime import UTC, date
from uuid import UUID

import msgspec
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.adapters.postgres.engine import Writer
from shared.events.model import LogRecord, Outcome, written
from shared.kit.errors import Unavailable

_LOG = logging.getLogger(__name__)

# Every array is text[] and cast in SQL: other array types make asyncpg ask the catalog on each new connection, and
# that pins a connection of RDS Proxy.
_INSERT = """
INSERT INTO events (received_day, key, tenant, principal, id, source, type, partition_key, received_at, subject, "time",
                    datacontenttype, dataschema, data, data_base64, extensions, traceparent, "partition", "offset",
                    spooled_at)
SELECT received_day::date, key::uuid, tenant, principal, id, source, type, partition_key, received_at::timestamptz,
       subject, "time"::timestamptz, datacontenttype, dataschema, data::jsonb, data_base64, extensions::jsonb,
       traceparent, "partition"::int, "offset"::bigint, spooled_at::timestamptz
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
            $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[],
            $18::text[], $19::text[], $20::text[])
     AS record (received_day, key, tenant, principal, id, source, type, partition_key, received_at, subject, "time",
                datacontenttype, dataschema, data, data_base64, extensions, traceparent, "partition", "offset",
                spooled_at)
ON CONFLICT (received_day, key) DO NOTHING
RETURNING received_day, key
"""


type _Identity = tuple[date, UUID]  # the primary key


class PostgresEventStore:
    """An EventStore over the writer."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def store(self, records: Sequence[LogRecord]) -> list[Outcome]:
        if not records:
            return []
        try:
            return await self._store(records)
        except Unavailable:
            return [Outcome.UNAVAILABLE] * len(records)

    async def _store(self, records: Sequence[LogRecord]) -> list[Outcome]:
        """Store all at once; where the database refuses the batch, halve it until the record at fault stands alone."""
        columns = tuple([list(column) for column in zip(*map(_row, records), strict=True)])

        async def insert(connection: AsyncConnection) -> set[_Identity]:
            return {(row.received_day, row.key) for row in await connection.exec_driver_sql(_INSERT, columns)}

        try:
            stored = await self._writer.transaction(insert)
        except DBAPIError as error:
            if len(records) == 1:
                # The kind alone: what the database says of it may repeat the record.
                _LOG.error("store.refused %s", getattr(error.orig, "sqlstate", "unknown"))
                return [Outcome.INVALID]
            half = len(records) // 2
            return await self._store(records[:half]) + await self._store(records[half:])
        return [_outcome((record.event.received_day, record.event.key), stored) for record in records]


def _outcome(identity: _Identity, stored: set[_Identity]) -> Outcome:
    if identity not in stored:
        return Outcome.DUPLICATE
    stored.remove(identity)  # the same event later in the batch met its own row
    return Outcome.STORED


def _row(record: LogRecord) -> tuple[str | None, ...]:
    """The columns as text. Times go in UTC: RFC 3339 allows offsets up to 23:59, PostgreSQL up to 15:59."""
    event, position = record.event, record.position
    return (
        event.received_day.isoformat(),
        str(event.key),
        event.tenant,
        event.principal,
        event.id,
        event.source,
        event.type,
        event.partition_key,
        event.received_at.isoformat(),
        event.subject,
        None if event.time is None else event.time.astimezone(UTC).isoformat(),
        event.datacontenttype,
        event.dataschema,
        None if (data := written(event.data)) is None else data.decode(),
        event.data_base64,
        msgspec.json.encode(event.extensions).decode(),
        event.traceparent,
        str(position.partition),
        str(position.offset),
        None if event.spooled_at is None else event.spooled_at.astimezone(UTC).isoformat(),
    )
