"""Jobs in PostgreSQL. Leases and what is overdue go by the database's clock, which all steps share."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.adapters.postgres.engine import Writer
from shared.jobs.model import Job, Kind, Progress, State
from shared.jobs.ports import Superseded

_COLUMNS = """id, tenant, kind, state, spec::text AS spec, progress::text AS progress, created_at, created_by,
changed_at, due_at, stalls"""
_CREATE = """
INSERT INTO jobs (id, tenant, kind, state, spec, progress, created_at, created_by, changed_at, due_at)
VALUES ($1, $2, $3, $4, ($5::text)::json, ($6::text)::json, $7, $8, $9, $10)
ON CONFLICT DO NOTHING
"""
# What is put together here, and below, are this module's own words; every value is a parameter.
_GET = f"SELECT {_COLUMNS} FROM jobs WHERE tenant = $1 AND id = $2"  # noqa: S608
_PAGE = f"SELECT {_COLUMNS} FROM jobs WHERE tenant = $1 AND id < $2 ORDER BY id DESC LIMIT $3"  # noqa: S608
_STEER = f"""
UPDATE jobs SET state = $3, changed_at = clock_timestamp(),
                due_at = CASE WHEN $3 = 'queued' THEN clock_timestamp() ELSE due_at END,
                stalls = CASE WHEN $3 = 'queued' THEN 0 ELSE stalls END
WHERE tenant = $1 AND id = $2 AND state = ANY ($4::text[])
RETURNING {_COLUMNS}
"""  # noqa: S608
_FREE = """
(state IN ('queued', 'running') OR (state IN ('paused', 'cancelled') AND progress->'chunk' IS NOT NULL))
AND (lease IS NULL OR lease_until <= clock_timestamp())
"""
_CLAIM = f"""
UPDATE jobs SET lease = $2, lease_until = clock_timestamp() + make_interval(secs => $3), stalls = stalls + 1,
                state = CASE WHEN state = 'queued' THEN 'running' ELSE state END
WHERE id = $1 AND {_FREE}
RETURNING {_COLUMNS}
"""  # noqa: S608
_COMMIT = """
UPDATE jobs SET state = CASE WHEN state = 'running' THEN $3 ELSE state END,
                spec = CASE WHEN state = 'running' THEN ($4::text)::json ELSE spec END,
                progress = ($5::text)::json, changed_at = $6, due_at = $7, stalls = $8
WHERE id = $1 AND lease = $2
RETURNING state
"""
_RELEASE = "UPDATE jobs SET lease = NULL, lease_until = NULL, due_at = $3 WHERE id = $1 AND lease = $2"
_OVERDUE = f"""
SELECT id FROM jobs WHERE {_FREE} AND due_at <= clock_timestamp() - make_interval(secs => $1) ORDER BY due_at LIMIT $2
"""  # noqa: S608
_LAST = UUID(int=2**128 - 1)  # beyond all ids


class PostgresJobStore:
    """A JobStore over the writer."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def create(self, job: Job) -> None:
        times = (job.changed_at, job.due_at)
        content = (_json(job.spec), _json(job.progress))
        await self._rows(
            _CREATE,
            job.id,
            job.tenant,
            job.kind.value,
            job.state.value,
            *content,
            job.created_at,
            job.created_by,
            *times,
        )

    async def get(self, tenant: str, id_: UUID) -> Job | None:
        return _first(await self._rows(_GET, tenant, id_))

    async def page(self, tenant: str, *, before: UUID | None, limit: int) -> list[Job]:
        return [_job(row) for row in await self._rows(_PAGE, tenant, before or _LAST, limit)]

    async def steer(self, tenant: str, id_: UUID, to: State, *, since: Collection[State]) -> Job | None:
        return _first(await self._rows(_STEER, tenant, id_, to.value, [state.value for state in since]))

    async def claim(self, id_: UUID, lease: UUID, *, seconds: float) -> Job | None:
        return _first(await self._rows(_CLAIM, id_, lease, seconds))

    async def commit(self, job: Job, lease: UUID) -> State:
        content = (_json(job.spec), _json(job.progress))
        times = (job.changed_at, job.due_at)
        rows = await self._rows(_COMMIT, job.id, lease, job.state.value, *content, *times, job.stalls)
        if not rows:
            raise Superseded
        return State(rows[0].state)

    async def release(self, id_: UUID, lease: UUID, *, due_at: datetime) -> None:
        await self._rows(_RELEASE, id_, lease, due_at)

    async def overdue(self, *, seconds: float, limit: int) -> list[UUID]:
        return [row.id for row in await self._rows(_OVERDUE, seconds, limit)]

    async def _rows(self, sql: str, *values: object) -> list[Row[Any]]:
        async def work(connection: AsyncConnection) -> list[Row[Any]]:
            result = await connection.exec_driver_sql(sql, values)
            return list(result) if result.returns_rows else []

        return await self._writer.transaction(work)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _first(rows: list[Row[Any]]) -> Job | None:
    return _job(rows[0]) if rows else None


def _job(row: Row[Any]) -> Job:
    return Job(
        id=row.id,
        tenant=row.tenant,
        kind=Kind(row.kind),
        state=State(row.state),
        spec=msgspec.json.decode(row.spec),
        progress=msgspec.json.decode(row.progress, type=Progress),
        created_at=row.created_at,
        created_by=row.created_by,
        changed_at=row.changed_at,
        due_at=row.due_at,
        stalls=row.stalls,
    )
