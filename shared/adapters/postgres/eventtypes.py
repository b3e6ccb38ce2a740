"""Event types in PostgreSQL."""

from typing import Any

import msgspec
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.adapters.postgres.engine import Reader, Writer
from shared.eventtypes.model import Definition, EventType
from shared.eventtypes.ports import PAGE

_COLUMNS = """type, version, schema::text AS schema, mode, compatibility, key_path, retention_days, dedup_window,
created_at, created_by"""
_ADD = """
INSERT INTO event_types (tenant, type, version, schema, mode, compatibility, key_path, retention_days, dedup_window,
                         created_at, created_by)
VALUES ($1, $2, $3, ($4::text)::json, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT DO NOTHING
RETURNING version
"""
_VERSION = f"""
SELECT {_COLUMNS} FROM event_types WHERE tenant = $1 AND type = $2 AND version = $3
"""  # noqa: S608  # this module's own words
_VERSIONS = f"""
SELECT {_COLUMNS} FROM event_types WHERE tenant = $1 AND type = $2 AND version < $3
ORDER BY version DESC LIMIT $4
"""  # noqa: S608
# The numbers first, from the index alone: a schema is only read where it is wanted.
_CURRENT = f"""
SELECT {_COLUMNS} FROM event_types JOIN (
    SELECT type, max(version) AS version FROM event_types WHERE tenant = $1 GROUP BY type ORDER BY type LIMIT 1000
) last USING (type, version) WHERE tenant = $1
"""  # noqa: S608
_NO_NUMBER = 2**31 - 1  # beyond all versions


class PostgresTypeStore:
    """A TypeStore over the writer; over the reader it may be asked only."""

    def __init__(self, database: Writer | Reader) -> None:
        self._database = database

    async def add(self, tenant: str, version: EventType) -> bool:
        definition = version.definition
        values = (
            tenant,
            version.type,
            version.version,
            bytes(definition.schema).decode(),
            definition.mode,
            definition.compatibility,
            definition.key_path,
            definition.retention_days,
            definition.dedup_window,
            version.created_at,
            version.created_by,
        )
        return len(await self._rows(_ADD, values)) == 1

    async def version(self, tenant: str, type_: str, number: int | None = None) -> EventType | None:
        if number is None:
            found = await self._page(tenant, type_, before=_NO_NUMBER, limit=1)
        else:
            found = await self._ask(_VERSION, tenant, type_, number)
        return found[0] if found else None

    async def versions(self, tenant: str, type_: str, *, before: int | None = None) -> list[EventType]:
        return await self._page(tenant, type_, before=_NO_NUMBER if before is None else before, limit=PAGE)

    async def current(self, tenant: str) -> dict[str, EventType]:
        return {row.type: _version(row) for row in await self._rows(_CURRENT, (tenant,))}

    async def _page(self, tenant: str, type_: str, *, before: int, limit: int) -> list[EventType]:
        return await self._ask(_VERSIONS, tenant, type_, before, limit)

    async def _ask(self, sql: str, tenant: str, type_: str, *values: int) -> list[EventType]:
        if "\0" in type_:
            return []  # PostgreSQL refuses to be asked for what it cannot hold
        return [_version(row) for row in await self._rows(sql, (tenant, type_, *values))]

    async def _rows(self, sql: str, values: tuple[object, ...]) -> list[Row[Any]]:
        async def run(connection: AsyncConnection) -> list[Row[Any]]:
            return list(await connection.exec_driver_sql(sql, values))

        return await self._database.transaction(run)


def _version(row: Row[Any]) -> EventType:
    definition = Definition(
        schema=msgspec.Raw(row.schema.encode()),
        mode=row.mode,
        compatibility=row.compatibility,
        key_path=row.key_path,
        retention_days=row.retention_days,
        dedup_window=row.dedup_window,
    )
    return EventType(
        type=row.type,
        version=row.version,
        definition=definition,
        created_at=row.created_at,
        created_by=row.created_by,
    )
