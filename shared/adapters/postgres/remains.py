"""What storage has of a subject, found and removed."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.adapters.postgres.engine import Writer
from shared.events.ports import Keyset
from shared.jobs.ports import Found, RowName

_LOOKED = 5000
"""Rows of the tenant that are looked at at once: no index knows of subjects, for which every insert would pay."""

_FIND = """
WITH looked AS (
    SELECT received_day, key, id, source, received_at, subject FROM events
    WHERE tenant = $1 AND (received_at, key) > ($3, $4) AND received_day >= $5
      AND received_at <= $6 AND received_day <= $7
    ORDER BY received_at, key LIMIT $8
)
SELECT *, TRUE AS mine, 0::bigint AS looked FROM (
    SELECT received_day, key, id, source, received_at FROM looked
    WHERE subject = $2 ORDER BY received_at, key LIMIT $9
) AS mine
UNION ALL
SELECT received_day, key, id, source, received_at, FALSE, (SELECT count(*) FROM looked) FROM (
    SELECT * FROM looked ORDER BY received_at DESC, key DESC LIMIT 1
) AS last
"""
# A day a statement, and its keys as one condition: so the planner opens one partition, by its primary key.
_REMOVE = """
WITH gone AS (
    DELETE FROM events
    WHERE received_day = $1 AND key = ANY (($2::text[])::uuid[]) AND tenant = $3 AND subject = $4
    RETURNING received_at, type, "partition"
), less AS (
    SELECT date_trunc('minute', received_at, 'UTC') AS minute, type, "partition", count(*) AS events
    FROM gone GROUP BY 1, 2, 3
)
UPDATE event_counts SET events = event_counts.events - less.events FROM less
WHERE event_counts.tenant = $3 AND event_counts.minute = less.minute AND event_counts.type = less.type
  AND event_counts."partition" = less."partition"
"""
_LETTERS = """
SELECT id FROM dead_letters
WHERE tenant = $1 AND (received_at <= $3 OR timestamp_ms <= $4) AND (subject = $2 OR EXISTS (
    SELECT FROM dead_letter_edits WHERE letter = dead_letters.id AND before = $2))
ORDER BY dead_at, id LIMIT $5
"""
_REMOVE_LETTERS = "DELETE FROM dead_letters WHERE tenant = $1 AND id = ANY (($2::text[])::uuid[])"
_UNNAME = """
UPDATE jobs SET state = CASE WHEN state IN ('failed', 'paused') THEN 'cancelled' ELSE state END,
                changed_at = CASE WHEN state IN ('failed', 'paused') THEN clock_timestamp() ELSE changed_at END,
                spec = jsonb_set(spec::jsonb,
                                 CASE WHEN spec->>'subject' = $2 THEN '{subject}' ELSE '{filter,subject}' END::text[],
                                 to_jsonb($4::text))::json
WHERE tenant = $1 AND id < $3 AND state IN ('cancelled', 'done', 'failed', 'paused')
  AND (spec->>'subject' = $2 OR spec->'filter'->>'subject' = $2)
"""
_NAMING = """
SELECT count(*) AS jobs FROM jobs
WHERE tenant = $1 AND id < $3 AND (spec->>'subject' = $2 OR spec->'filter'->>'subject' = $2)
"""
_FIRST = Keyset(datetime(1, 1, 2, tzinfo=UTC), str(UUID(int=0)))


class PostgresRemains:
    """A Remains over the writer."""

    def __init__(self, writer: Writer, *, looked: int = _LOOKED) -> None:
        self._writer = writer
        self._looked = looked

    async def rows(self, tenant: str, subject: str, until: datetime, *, after: Keyset | None, limit: int) -> Found:
        beyond = after or _FIRST
        asked = (beyond.received_at, UUID(beyond.key), _day(beyond.received_at), until, _day(until))
        answers = await self._asked(_FIND, tenant, subject, *asked, self._looked, limit)
        mine = [row for row in answers if row.mine]
        looked = sum(row.looked for row in answers)
        # Where there may be more of them than were asked for, the next look begins after the last that is named.
        last = mine[-1:] if len(mine) == limit else [row for row in answers if not row.mine]
        is_more = len(mine) == limit or looked == self._looked
        names = [RowName(day=row.received_day, key=row.key, id=row.id, source=row.source) for row in mine]
        following = Keyset(last[0].received_at, str(last[0].key)) if last and is_more else None
        return Found(names, looked, following)

    async def remove_rows(self, tenant: str, subject: str, rows: Sequence[RowName]) -> None:
        async def work(connection: AsyncConnection) -> None:
            for day, some in groupby(sorted(rows, key=_day_of), key=_day_of):
                keys = [str(row.key) for row in some]
                await connection.exec_driver_sql(_REMOVE, (day, keys, tenant, subject))

        await self._writer.transaction(work)

    async def letters(self, tenant: str, subject: str, until: datetime, *, limit: int) -> list[UUID]:
        milliseconds = int(until.timestamp() * 1000)
        return [row.id for row in await self._asked(_LETTERS, tenant, subject, until, milliseconds, limit)]

    async def remove_letters(self, tenant: str, letters: Sequence[UUID]) -> None:
        await self._asked(_REMOVE_LETTERS, tenant, [str(each) for each in letters])

    async def unname(self, tenant: str, subject: str, digest: str, *, before: UUID) -> None:
        await self._asked(_UNNAME, tenant, subject, before, digest)

    async def naming(self, tenant: str, subject: str, *, before: UUID) -> int:
        (row,) = await self._asked(_NAMING, tenant, subject, before)
        return int(row.jobs)

    async def _asked(self, sql: str, *values: object) -> list[Row[Any]]:
        async def work(connection: AsyncConnection) -> list[Row[Any]]:
            result = await connection.exec_driver_sql(sql, values)
            return list(result) if result.returns_rows else []

        return await self._writer.transaction(work)


def _day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()


def _day_of(row: RowName) -> date:
    return row.day
