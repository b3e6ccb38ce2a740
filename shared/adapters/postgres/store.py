"""The event store: a batch, and what it adds to the counts, is one statement in one transaction."""

import logging
import time
from collections.abc import Sequence

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.adapters.postgres.engine import Writer
from shared.adapters.postgres.rows import COLUMNS, Rows, rows_of
from shared.events.model import LogRecord, Outcome
from shared.events.ports import Refused
from shared.kit.errors import Unavailable

_LOG = logging.getLogger(__name__)

_SEARCH_SECONDS = 5.0
"""For finding who is at fault by trying: each half of a batch costs a statement, and the function has 30 s in all."""

_NAMES = ", ".join(COLUMNS)

# Every array is text[] and cast in SQL: other array types make asyncpg ask the catalog on each new connection, and
# that pins a connection of RDS Proxy. What was stored is told in one text, and only where that is not all: a row each,
# with a date and a UUID to decode, costs the client 2 µs.
_INSERT = f"""
WITH stored AS (
    INSERT INTO events ({_NAMES})
    SELECT {", ".join(name + cast for name, cast in COLUMNS.items())}
    FROM unnest({", ".join(f"${number}::text[]" for number in range(1, len(COLUMNS) + 1))}) AS record ({_NAMES})
    ON CONFLICT (received_day, key) DO NOTHING
    RETURNING received_day, key, received_at, tenant, type, "partition"
), counted AS (
    INSERT INTO event_counts (minute, tenant, type, "partition", events)
    SELECT date_trunc('minute', received_at, 'UTC'), tenant, type, "partition", count(*)
    FROM stored GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    ON CONFLICT (minute, tenant, type, "partition") DO UPDATE SET events = event_counts.events + excluded.events
)
SELECT count(*) AS number,
       CASE WHEN count(*) < cardinality($1)
            THEN string_agg(to_char(received_day, 'YYYY-MM-DD') || replace(key::text, '-', ''), ' ') END AS identities
FROM stored
"""  # noqa: S608  # this module's own words; every value is a parameter

# What else a row may be refused for is no matter of one column, or ends the question itself.
_QUESTION = """
SELECT place - 1, name, (pg_input_error_info(value, 'jsonb')).sql_error_code
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS record (data, extensions, place),
     LATERAL (VALUES ('data', data), ('extensions', extensions)) AS part (name, value)
WHERE NOT pg_input_is_valid(value, 'jsonb')
"""


class PostgresEventStore:
    """An EventStore over the writer. Needs PostgreSQL 16, which can say what it would refuse."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def store(self, records: Sequence[LogRecord]) -> list[Outcome] | Refused:
        if not records:
            return []
        rows = rows_of(records)
        try:
            try:
                count, stored = await self._writer.transaction(_Insert(rows))
            except DBAPIError:
                return await self._refused(rows)
        except Unavailable:
            return [Outcome.UNAVAILABLE] * len(records)
        if count == len(records):
            return [Outcome.STORED] * count
        return _outcomes(rows, set((stored or "").split(" ")))

    async def examine(self, records: Sequence[LogRecord]) -> dict[int, str]:
        return await self._asked(rows_of(records)) if records else {}

    async def _refused(self, rows: Rows) -> Refused:
        """Who is at fault: by one question about all, and where that shows nobody, by trying."""
        reasons = await self._asked(rows)
        found = Refused(reasons, len(rows)) if reasons else await self._tried(rows)
        # The reasons alone: what the database says of a record may repeat it.
        fields = {"refused": len(found.reasons), "records": len(rows), "reasons": sorted(set(found.reasons.values()))}
        _LOG.error("store.refused", extra=fields)
        return found

    async def _asked(self, rows: Rows) -> dict[int, str]:
        # Text with U+0000 is refused before anything can be asked of it.
        reasons = {place: f"Storage cannot hold U+0000 in its {name}." for place, name in rows.zeros()}
        whole = [place for place in range(len(rows)) if place not in reasons]
        columns = [[rows[name][place] for place in whole] for name in ("data", "extensions")]

        async def ask(connection: AsyncConnection) -> list[tuple[int, str, str]]:
            return [tuple(row) for row in await connection.exec_driver_sql(_QUESTION, tuple(columns))]

        try:
            answers = await self._writer.transaction(ask)
        except DBAPIError:  # nested too deeply for the question itself
            return reasons
        return reasons | {whole[place]: f"Storage refuses its {name} ({code})." for place, name, code in answers}

    async def _tried(self, rows: Rows) -> Refused:
        """Halve the batch until each record at fault has stood alone, from the front, as far as the time allows."""
        await self._require_well(rows)
        reasons: dict[int, str] = {}
        searched, until = 0, time.monotonic() + _SEARCH_SECONDS
        parts = [(0, len(rows))]
        while parts and time.monotonic() < until:
            low, high = parts.pop()
            refusal = await self._refusal(rows.part(low, high))
            if refusal is not None and high - low > 1:
                middle = (low + high) // 2
                parts += [(middle, high), (low, middle)]
                continue
            searched = high
            if refusal is not None:
                reasons[low] = f"Storage refuses it ({refusal})."
        return Refused(reasons, searched)

    async def _require_well(self, rows: Rows) -> None:
        """Raise Unavailable where a row is refused that nothing is wrong with.

        A server that must not give out another transaction id says so with the SQLSTATE of a record that is too large
        (54000): no record is to blame for that.
        """
        told = {"key": "0" * 32, "extensions": "{}", '"partition"': "0", '"offset"': "0"}
        told |= {name: "probe" for name in ("tenant", "principal", "id", "source", "type", "partition_key")}
        told |= {name: rows[name][0] or "" for name in ("received_day", "received_at")}
        if await self._refusal(Rows([[told.get(name)] for name in COLUMNS])) is not None:
            raise Unavailable("The database refuses every row.")

    async def _refusal(self, rows: Rows) -> str | None:
        """The SQLSTATE with which the database refuses `rows`, of which nothing stays."""
        try:
            await self._writer.transaction(_Insert(rows, keep=False))
        except _NothingKept:
            return None
        except DBAPIError as error:
            return str(getattr(error.orig, "sqlstate", "unknown"))
        raise AssertionError("a transaction that was undone was kept")


class _NothingKept(Exception):
    """Raised at a transaction's end to have it rolled back."""


class _Insert:
    """The statement, as work for a transaction: how many rows it stored, and which where that is not all."""

    def __init__(self, rows: Rows, *, keep: bool = True) -> None:
        self._parameters = rows.parameters
        self._keep = keep

    async def __call__(self, connection: AsyncConnection) -> tuple[int, str | None]:
        stored = (await connection.exec_driver_sql(_INSERT, self._parameters)).one()
        if not self._keep:
            raise _NothingKept
        return stored.number, stored.identities


def _outcomes(rows: Rows, stored: set[str]) -> list[Outcome]:
    outcomes = []
    for day, key in zip(rows["received_day"], rows["key"], strict=True):
        identity = f"{day}{key}"
        outcomes.append(Outcome.STORED if identity in stored else Outcome.DUPLICATE)
        stored.discard(identity)  # the same event later in the batch met its own row
    return outcomes
