"""Dead letters in PostgreSQL."""

import logging
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.adapters.postgres.conditions import Conditions
from shared.adapters.postgres.deadletter_rows import LISTED, WHOLE, base64, columns_of, edit_of, listed, whole
from shared.adapters.postgres.engine import Writer
from shared.deadletters.model import (
    Change,
    Edit,
    LetterFilter,
    LetterKeyset,
    ListedLetter,
    NewLetter,
    Scope,
    State,
    StoredLetter,
)
from shared.events.model import Outcome
from shared.kit.errors import Unavailable

_LOG = logging.getLogger(__name__)

# Every array is text[] and cast in SQL, bytes go as base64: see store.py.
_BURY = """
INSERT INTO dead_letters (id, tenant, topic, "partition", "offset", timestamp_ms, key, value, code, reason, attempts,
                          traceparent, dead_at, event_id, source, type, subject, received_at)
SELECT id::uuid, tenant, topic, "partition"::int, "offset"::bigint, timestamp_ms::bigint, decode(key, 'base64'),
       decode(value, 'base64'), code, reason, attempts::int, traceparent, dead_at::timestamptz, event_id, source, type,
       subject, received_at::timestamptz
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
            $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[],
            $18::text[])
     AS letter (id, tenant, topic, "partition", "offset", timestamp_ms, key, value, code, reason, attempts,
                traceparent, dead_at, event_id, source, type, subject, received_at)
ON CONFLICT (id) DO NOTHING
RETURNING id
"""
_IN_SCOPE = "(tenant = $1 OR ($2 AND tenant IS NULL))"
# What is put together here, and below, are this module's own words; every value is a parameter.
_SOME = f"""
SELECT {WHOLE} FROM dead_letters WHERE {_IN_SCOPE} AND id = ANY (($3::text[])::uuid[]) ORDER BY dead_at, id
"""  # noqa: S608
_EDITS = """
SELECT letter, number, at, "by", why FROM dead_letter_edits WHERE letter = ANY (($1::text[])::uuid[])
ORDER BY letter, number
"""
_EDIT = f"""
WITH was AS (
    SELECT id, subject FROM dead_letters WHERE {_IN_SCOPE} AND id = $3 AND state = 'dead' AND edits = $4 FOR UPDATE
), changed AS (
    UPDATE dead_letters SET edits = edits + 1, tenant = coalesce(tenant, $5), event_id = $6, source = $7, type = $8,
                            subject = $9
    FROM was WHERE dead_letters.id = was.id RETURNING dead_letters.id, edits, was.subject
)
INSERT INTO dead_letter_edits (letter, number, at, "by", why, value, before)
SELECT id, edits, $10, $11, $12, decode($13::text, 'base64'), subject FROM changed
RETURNING letter
"""  # noqa: S608
_SETTLE = f"""
UPDATE dead_letters SET state = $4, settled_at = coalesce(settled_at, clock_timestamp()), settled_by = $5
WHERE {_IN_SCOPE} AND id = ANY (($3::text[])::uuid[])
  AND (state = 'dead' OR (state = $4 AND settled_by = $5))
RETURNING id
"""  # noqa: S608
_REOPEN = f"""
UPDATE dead_letters SET state = 'dead', settled_at = NULL, settled_by = NULL
WHERE {_IN_SCOPE} AND id = ANY (($3::text[])::uuid[]) AND settled_by = $4
RETURNING id
"""  # noqa: S608
_REMOVE = f"""
DELETE FROM dead_letters WHERE {_IN_SCOPE} AND id = ANY (($3::text[])::uuid[]) RETURNING id
"""  # noqa: S608
_EQUAL = ("state", "code", "topic", "partition", "type", "source")
_SUBJECT = """(subject = {} OR EXISTS (
    SELECT FROM dead_letter_edits WHERE letter = dead_letters.id AND before = {}))"""


class PostgresDeadLetterStore:
    """A DeadLetterStore over the writer."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def bury(self, letters: Sequence[NewLetter]) -> list[Outcome]:
        if not letters:
            return []
        try:
            return await self._bury(letters)
        except Unavailable:
            return [Outcome.UNAVAILABLE] * len(letters)

    async def get(self, scope: Scope, id_: UUID) -> StoredLetter | None:
        found = await self.some(scope, [id_])
        return found[0] if found else None

    async def page(
        self, scope: Scope, where: LetterFilter, *, after: LetterKeyset | None, limit: int, descending: bool
    ) -> list[ListedLetter]:
        conditions = _conditions(where)
        if after is not None:
            beyond = "<" if descending else ">"
            conditions.add(f"(dead_at, id) {beyond} ({{}}, {{}})", after.dead_at, after.id)
        direction = "DESC" if descending else "ASC"
        order = f"ORDER BY dead_at {direction}, id {direction} LIMIT {limit:d}"
        # Each part is read in the order of the index; joined by OR, all of both would be sorted for one page.
        parts = [
            f"(SELECT {LISTED} FROM dead_letters WHERE {conditions.joined(whose)} {order})"  # noqa: S608
            for whose in _whose(scope, conditions)
        ]
        sql = f"SELECT * FROM ({' UNION ALL '.join(parts)}) AS page {order}"  # noqa: S608
        rows = await self._rows(sql, *conditions.values)
        return [listed(row) for row in rows]

    async def some(self, scope: Scope, ids: Sequence[UUID]) -> list[StoredLetter]:
        named = [str(each) for each in ids]

        async def work(connection: AsyncConnection) -> list[StoredLetter]:
            rows = list(await connection.exec_driver_sql(_SOME, (scope.tenant, scope.orphans, named)))
            edits: dict[UUID, list[Edit]] = {row.id: [] for row in rows}
            edited = [str(row.id) for row in rows if row.edits]
            if edited:
                for row in await connection.exec_driver_sql(_EDITS, (edited,)):
                    edits[row.letter].append(edit_of(row))
            # As many as there were when the letter was read: its value is of the last one of those.
            return [whole(row, edits[row.id][: row.edits]) for row in rows]

        return await self._writer.transaction(work)

    async def count(self, scope: Scope, where: LetterFilter) -> int:
        conditions = _conditions(where)
        whose = f"({' OR '.join(_whose(scope, conditions))})"
        sql = f"SELECT count(*) AS letters FROM dead_letters WHERE {conditions.joined(whose)}"  # noqa: S608
        (row,) = await self._rows(sql, *conditions.values)
        return int(row.letters)

    async def edit(self, scope: Scope, id_: UUID, change: Change, *, expected: int) -> StoredLetter | None:
        edit = change.edit
        changed = await self._rows(
            _EDIT,
            scope.tenant,
            scope.orphans,
            id_,
            expected,
            change.tenant,
            change.event_id,
            change.source,
            change.type,
            change.subject,
            edit.at,
            edit.by,
            edit.why,
            base64(change.value),
        )
        return await self.get(scope, id_) if changed else None

    async def settle(self, scope: Scope, ids: Sequence[UUID], state: State, *, job: UUID) -> list[UUID]:
        return await self._moved(_SETTLE, scope, ids, state.value, job)

    async def reopen(self, scope: Scope, ids: Sequence[UUID], *, job: UUID) -> list[UUID]:
        return await self._moved(_REOPEN, scope, ids, job)

    async def remove(self, scope: Scope, ids: Sequence[UUID]) -> list[UUID]:
        return await self._moved(_REMOVE, scope, ids)

    async def _moved(self, sql: str, scope: Scope, ids: Sequence[UUID], *values: object) -> list[UUID]:
        rows = await self._rows(sql, scope.tenant, scope.orphans, [str(each) for each in ids], *values)
        moved = {row.id for row in rows}
        return [each for each in ids if each in moved]

    async def _rows(self, sql: str, *values: object) -> list[Row[Any]]:
        async def work(connection: AsyncConnection) -> list[Row[Any]]:
            return list(await connection.exec_driver_sql(sql, values))

        return await self._writer.transaction(work)

    async def _bury(self, letters: Sequence[NewLetter]) -> list[Outcome]:
        """Bury all at once; where the database refuses the batch, halve it until the letter at fault stands alone."""
        columns = columns_of(letters)
        try:
            rows = await self._rows(_BURY, *columns)
        except DBAPIError as error:
            if len(letters) == 1:
                # The kind alone: what the database says of it may repeat the record.
                _LOG.error("deadletters.refused", extra={"sqlstate": getattr(error.orig, "sqlstate", "unknown")})
                return [Outcome.INVALID]
            half = len(letters) // 2
            return await self._bury(letters[:half]) + await self._bury(letters[half:])
        buried = {row.id for row in rows}
        outcomes = []
        for each in letters:
            outcomes.append(Outcome.STORED if each.letter.id in buried else Outcome.DUPLICATE)
            buried.discard(each.letter.id)  # the same letter later in the batch met its own row
        return outcomes


def _whose(scope: Scope, conditions: Conditions) -> list[str]:
    """A condition for the tenant's letters, and one for those of nobody where they are asked for."""
    tenants = f"tenant = {conditions.parameter(scope.tenant)}"
    return [tenants, "tenant IS NULL"] if scope.orphans else [tenants]


def _conditions(where: LetterFilter) -> Conditions:
    conditions = Conditions()
    for column in _EQUAL:
        if (value := getattr(where, column)) is not None:
            conditions.add(f'"{column}" = {{}}', value)
    if where.subject is not None:
        conditions.add(_SUBJECT, where.subject, where.subject)
    if where.since is not None:
        conditions.add("dead_at >= {}", where.since)
    if where.until is not None:
        conditions.add("dead_at < {}", where.until)
    if any(isinstance(value, str) and "\0" in value for value in conditions.values):
        conditions = Conditions()
        conditions.add("FALSE")  # PostgreSQL refuses to be asked for what it cannot hold
    return conditions
