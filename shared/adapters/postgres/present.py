"""What storage has, as jobs ask for it."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.adapters.postgres.conditions import Conditions
from shared.adapters.postgres.engine import Writer
from shared.events.model import Event, Position
from shared.events.ports import EventFilter

_MISSING = """
SELECT key FROM unnest($1::text[], $2::text[]) AS asked (day, key)
WHERE NOT EXISTS (SELECT FROM events WHERE received_day = asked.day::date AND events.key = asked.key::uuid)
"""

# LATERAL with a LIMIT is an index look-up for each, whatever the planner believes of how many there are.
_PLACES = """
SELECT day::date AS day, key::uuid AS key, "partition", "offset" FROM unnest($1::text[], $2::text[]) AS asked (day, key)
CROSS JOIN LATERAL (
    SELECT "partition", "offset" FROM events
    WHERE received_day = asked.day::date AND events.key = asked.key::uuid LIMIT 1
) AS stored
"""


class PostgresRows:
    """A Rows over the writer."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def missing(self, events: Sequence[Event]) -> set[UUID]:
        return {UUID(row.key) for row in await self._ask(_MISSING, *_identities(events))}

    async def places(self, events: Sequence[Event]) -> dict[tuple[date, UUID], Position]:
        found = await self._ask(_PLACES, *_identities(events))
        return {(row.day, row.key): Position(row.partition, row.offset) for row in found}

    async def counted(self, tenant: str, where: EventFilter) -> int | None:
        if where.source is not None or where.subject is not None:
            return None
        conditions = Conditions()
        conditions.add("tenant = {}", tenant)
        if where.type is not None:
            conditions.add("type = {}", where.type)
        if where.since is not None:
            conditions.add("minute >= date_trunc('minute', {}::timestamptz)", where.since)
        if where.until is not None:
            conditions.add("minute < {}", where.until)
        sql = f"SELECT coalesce(sum(events), 0)::bigint AS counted FROM event_counts WHERE {conditions}"  # noqa: S608
        (row,) = await self._ask(sql, *conditions.values)
        return int(row.counted)

    async def _ask(self, sql: str, *values: object) -> list[Row[Any]]:
        async def work(connection: AsyncConnection) -> list[Row[Any]]:
            return list(await connection.exec_driver_sql(sql, values))

        return await self._writer.transaction(work)


def _identities(events: Sequence[Event]) -> tuple[list[str], list[str]]:
    return [event.received_day.isoformat() for event in events], [str(event.key) for event in events]
