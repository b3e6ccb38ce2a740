"""Reading events from the replica."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.adapters.postgres.conditions import Conditions
from shared.adapters.postgres.engine import Reader
from shared.events.model import NO_DATA, Event, Position, StoredEvent
from shared.events.ports import EventFilter, Keyset

_MOST_CANDIDATES = 10
_COLUMNS = """key, tenant, principal, id, source, type, partition_key, received_at, subject, "time", datacontenttype,
dataschema, data::text AS data, data_base64, extensions::text AS extensions, traceparent, "partition", "offset",
stored_at, spooled_at, redriven_at"""


class PostgresEventReader:
    """An EventReader over the reader."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def by_id(self, tenant: str, id_: str, source: str | None) -> list[StoredEvent]:
        if "\0" in id_:
            return []  # PostgreSQL refuses to be asked for what it cannot hold
        conditions = _Conditions()
        conditions.add("tenant = {}", tenant)
        conditions.add("id = {}", id_)
        if source is not None:
            conditions.add("source = {}", source)
        return await self._select(conditions, "received_at DESC, key DESC", _MOST_CANDIDATES)

    async def page(
        self, tenant: str, where: EventFilter, *, after: Keyset | None, limit: int, descending: bool
    ) -> list[StoredEvent]:
        conditions = _Conditions()
        conditions.add("tenant = {}", tenant)
        for column in ("type", "source", "subject"):
            if (value := getattr(where, column)) is not None:
                conditions.add(f"{column} = {{}}", value)
        for moment, comparison in ((where.since, ">="), (where.until, "<")):
            if moment is not None:
                conditions.between_days(comparison, moment)
        if after is not None:
            beyond = "<" if descending else ">"
            conditions.add(f"(received_at, key) {beyond} ({{}}, {{}})", after.received_at, UUID(after.key))
            conditions.between_days("<=" if descending else ">=", after.received_at)
        direction = "DESC" if descending else "ASC"
        return await self._select(conditions, f"received_at {direction}, key {direction}", limit)

    async def dead(self, tenant: str, id_: str, source: str | None) -> list[UUID]:
        if "\0" in id_:
            return []
        conditions = _Conditions()
        conditions.add("state = 'dead'")
        conditions.add("tenant = {}", tenant)
        conditions.add("event_id = {}", id_)
        if source is not None:
            conditions.add("source = {}", source)
        sql = f"SELECT id FROM dead_letters WHERE {conditions} ORDER BY dead_at DESC, id LIMIT {_MOST_CANDIDATES}"  # noqa: S608

        async def select(connection: AsyncConnection) -> list[UUID]:
            return [row.id for row in await connection.exec_driver_sql(sql, tuple(conditions.values))]

        return await self._reader.transaction(select)

    async def _select(self, conditions: "_Conditions", order: str, limit: int) -> list[StoredEvent]:
        # What is put together here are this module's own words; every value is a parameter.
        sql = f"SELECT {_COLUMNS} FROM events WHERE {conditions} ORDER BY {order} LIMIT {limit:d}"  # noqa: S608

        async def select(connection: AsyncConnection) -> list[StoredEvent]:
            result = await connection.exec_driver_sql(sql, tuple(conditions.values))
            return [_stored(row) for row in result]

        return await self._reader.transaction(select)


class _Conditions(Conditions):
    def between_days(self, comparison: str, moment: datetime) -> None:
        """Compare the received time, and the day too, so that other days' partitions are not opened."""
        self.add(f"received_at {comparison} {{}}", moment)
        day_comparison = {"<": "<=", ">": ">="}.get(comparison, comparison)
        self.add(f"received_day {day_comparison} {{}}", moment.astimezone(UTC).date())


def _stored(row: Row[Any]) -> StoredEvent:
    event = Event(
        key=row.key,
        tenant=row.tenant,
        principal=row.principal,
        id=row.id,
        source=row.source,
        type=row.type,
        partition_key=row.partition_key,
        received_at=row.received_at,
        subject=row.subject,
        time=row.time,
        datacontenttype=row.datacontenttype,
        dataschema=row.dataschema,
        data=NO_DATA if row.data is None else msgspec.Raw(row.data),
        data_base64=row.data_base64,
        extensions=msgspec.json.decode(row.extensions),
        traceparent=row.traceparent,
        spooled_at=row.spooled_at,
        redriven_at=row.redriven_at,
    )
    return StoredEvent(event, Position(row.partition, row.offset), row.stored_at)
