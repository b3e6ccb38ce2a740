"""Which subjects were erased, in PostgreSQL."""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.adapters.postgres.engine import Writer

_NOTE = """
INSERT INTO erasures (tenant, subject, asked_at, job) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant, subject) DO UPDATE SET asked_at = excluded.asked_at, job = excluded.job
WHERE erasures.asked_at < excluded.asked_at
"""
_ASKED = "SELECT subject, asked_at FROM erasures WHERE tenant = $1 AND subject = ANY ($2::text[])"


class PostgresErasures:
    """An Erasures over the writer. With another `secret` nothing that was erased is known any more."""

    def __init__(self, writer: Writer, secret: str) -> None:
        self._writer = writer
        self._key = hashlib.sha256(b"millrace erasure" + secret.encode()).digest()

    async def note(self, tenant: str, subject: str, asked_at: datetime, job: UUID) -> None:
        await self._rows(_NOTE, tenant, self.digest(tenant, subject), asked_at, job)

    async def asked(self, tenant: str, subjects: Sequence[str]) -> dict[str, datetime]:
        if not subjects:
            return {}
        by_digest = {self.digest(tenant, subject): subject for subject in subjects}
        return {by_digest[row.subject]: row.asked_at for row in await self._rows(_ASKED, tenant, [*by_digest])}

    def digest(self, tenant: str, subject: str) -> str:
        return hmac.digest(self._key, msgspec.json.encode((tenant, subject)), hashlib.sha256).hex()

    async def _rows(self, sql: str, *values: object) -> list[Row[Any]]:
        async def work(connection: AsyncConnection) -> list[Row[Any]]:
            result = await connection.exec_driver_sql(sql, values)
            return list(result) if result.returns_rows else []

        return await self._writer.transaction(work)
