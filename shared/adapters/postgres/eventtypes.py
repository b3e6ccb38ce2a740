"""Event types in PostgreSQL."""

from typing import Any

import msgspec
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.adapters.postgres.engine import Reader, Writer
from shared.eventtypes.model import Definition, EventType

_COLUMNS = """type, version, schema::text AS schema, mode, compatibility, key_path, retention_days, dedup_window,
created_at, created_by"""
_ADD = """
INSERT INTO event_types (tenant, type, version, schema, mode, compatibility, key_path, retention_days, dedup_window,
                         created_at, created_by)
VALUES ($1, $2, $3, ($4::text)::json, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT DO NOTHING
RETURNING version
"""
_VERSIONS = f"""
SELECT * FROM (SELECT {_COLUMNS} FROM event_types WHERE tenant = $1 AND type = $2 ORDER BY version DESC LIMIT 1000) last
ORDER BY version
"""  # noqa: S608  # this module's own words
_CURRENT = f"""
SELECT DISTINCT ON (type) {_COLUMNS} FROM event_types WHERE tenant = $1 ORDER BY type, version DESC LIMIT 1000
"""  # noqa: S608


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

    async def versions(self, tenant: str, type_: str) -> list[EventType]:
        if "\0" in type_:
            return []  # PostgreSQL refuses to be asked for what it cannot hold
        return [_version(row) for row in await self._rows(_VERSIONS, (tenant, type_))]

    async def current(self, tenant: str) -> dict[str, EventType]:
        return {row.type: _version(row) for row in await self._rows(_CURRENT, (tenant,))}

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
