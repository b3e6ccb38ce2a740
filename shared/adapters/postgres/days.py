"""The days of events as PostgreSQL keeps them: partitions, and the default one for what has none."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Delete, delete, select, text
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.adapters.postgres.direct import alone, connected, is_locked, patience
from shared.adapters.postgres.tables import event_counts, event_types, events
from shared.events.days import Kept, TypeOf
from shared.kit.errors import Unavailable
from shared.status.model import COUNTED

LOCK_SECONDS = 0.5  # for each of the two or three locks of a step; a batch that is being stored takes 0.1 s
_COPIED = 5_000  # rows in one transaction
_TURN_SECONDS = 1  # a migration goes first


DAYS = text(r"""
SELECT to_date(right(child.relname, 8), 'YYYYMMDD') AS day FROM pg_inherits
JOIN pg_class child ON child.oid = inhrelid JOIN pg_class parent ON parent.oid = inhparent
WHERE parent.oid = to_regclass('events') AND child.relname ~ '^events_\d{8}$' ORDER BY 1
""")
STRAYS = text(f"""
SELECT received_day AS day, count(*) AS events
FROM (SELECT received_day FROM events_default LIMIT {COUNTED}) counted GROUP BY 1
""")  # noqa: S608  # this module's own words
_LEFTOVERS = text(r"""
SELECT to_date(right(relname, 8), 'YYYYMMDD') AS day FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND NOT relispartition
  AND relname ~ '^events_\d{8}$'
""")
# The index is asked for the next pair, again and again: as many descents as there are types, whatever the rows.
_TYPES = """
WITH RECURSIVE kinds AS (
    (SELECT tenant, type FROM {name} ORDER BY tenant, type LIMIT 1)
    UNION ALL
    SELECT following.* FROM kinds, LATERAL (
        SELECT tenant, type FROM {name} WHERE (tenant, type) > (kinds.tenant, kinds.type) ORDER BY tenant, type LIMIT 1
    ) following
)
SELECT tenant, type FROM kinds
"""
# Of a day whose events lie in the default partition: those that are not copied yet, in the order of their keys.
_COPY = """
INSERT INTO {name} SELECT * FROM events_default
WHERE received_day = '{day}' AND key > coalesce(
    (SELECT key FROM {name} WHERE received_day = '{day}' ORDER BY key DESC LIMIT 1),
    '00000000-0000-0000-0000-000000000000'
)
ORDER BY key LIMIT {limit}
"""
# What became of them meanwhile: removed or changed, or come behind the last one that was copied.
_FORGET_COPIES = """
DELETE FROM {name} copy WHERE NOT EXISTS (
    SELECT FROM events_default stray
    WHERE stray.received_day = '{day}' AND stray.key = copy.key AND (stray.*) IS NOT DISTINCT FROM (copy.*)
)
"""
_COPY_REST = """
INSERT INTO {name} SELECT * FROM events_default stray
WHERE received_day = '{day}' AND NOT EXISTS (SELECT FROM {name} copy WHERE copy.key = stray.key)
"""
_COLUMNS = """
SELECT string_agg(format('%s %s', attname, atttypid), ',' ORDER BY attname) FROM pg_attribute
WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
"""
_REMOVE = """
DELETE FROM {name} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {name} WHERE tenant = :tenant AND type = :type LIMIT :limit))
"""
_REMOVE_STRAYS = text("""
DELETE FROM events_default
WHERE ctid = ANY(ARRAY(SELECT ctid FROM events_default WHERE received_day < :before LIMIT :limit))
""")
_FORGET_COUNTS = text("""
DELETE FROM event_counts WHERE ctid = ANY(ARRAY(SELECT ctid FROM event_counts WHERE minute < :before LIMIT :limit))
""")


class PostgresDays:
    """EventDays over a connection straight to the writer, which nobody else uses meanwhile."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def days(self) -> list[date]:
        async with self._connection.begin():
            return list((await self._connection.execute(DAYS)).scalars())

    async def strays(self) -> Mapping[date, int]:
        async with self._connection.begin():
            leftovers = (await self._connection.execute(_LEFTOVERS)).scalars()
            found = dict.fromkeys(leftovers, 0)
            return found | {row.day: row.events for row in await self._connection.execute(STRAYS)}

    async def make(self, day: date) -> int:
        if day in await self.days():
            return 0
        name = _name(day)
        await self._make_table(name)
        while await self._copy(day, name) == _COPIED:
            pass
        async with self._locking():
            # Attached rather than made as a partition: that leaves the table to readers. But not to writers: one that
            # has found no partition for its row would be refused by the default one, which takes it no more.
            await self._execute("LOCK TABLE ONLY events IN SHARE ROW EXCLUSIVE MODE")
            await self._execute(_FORGET_COPIES.format(name=name, day=day))
            await self._execute(_COPY_REST.format(name=name, day=day))
            moved: int = (await self._execute(f"DELETE FROM events_default WHERE received_day = '{day}'")).rowcount  # noqa: S608
            if moved:
                # A query that is planned now knows of the default partition only, and its rows will have left that.
                await self._execute("LOCK TABLE ONLY events IN ACCESS EXCLUSIVE MODE")
            bounds = f"FROM ('{day}') TO ('{day + timedelta(days=1)}')"
            await self._execute(f"ALTER TABLE events ATTACH PARTITION {name} FOR VALUES {bounds}")
            return moved

    async def _make_table(self, name: str) -> None:
        """A table for a day's events, to be attached. One that a killed run has left is used, unless it is outdated."""
        async with self._connection.begin():
            ours, its = [
                (await self._connection.exec_driver_sql(_COLUMNS, (table,))).scalar_one()
                for table in (events.name, name)
            ]
            if its is not None and its != ours:
                await self._execute(f"DROP TABLE {name}")
            await self._execute(f"CREATE TABLE IF NOT EXISTS {name} (LIKE events INCLUDING ALL)")

    async def _copy(self, day: date, name: str) -> int:
        """Copy some events of the default partition while everybody reads and writes, so that the rest is quick."""
        async with self._connection.begin():
            return int((await self._execute(_COPY.format(name=name, day=day, limit=_COPIED))).rowcount)

    async def kept(self) -> Kept:
        columns = event_types.c
        current = (
            select(columns.tenant, columns.type, columns.retention_days)
            .ext(distinct_on(columns.tenant, columns.type))
            .order_by(columns.tenant, columns.type, columns.version.desc())
        )
        async with self._connection.begin():
            rows = await self._connection.execute(current)
            return Kept({TypeOf(row.tenant, row.type): row.retention_days for row in rows})

    async def types(self, day: date) -> Sequence[TypeOf]:
        async with self._connection.begin():
            return await self._types(_name(day))

    async def give_up(self, day: date, kept: Kept, today: date) -> bool:
        name = _name(day)
        if any(not kept.is_over(kind, day, today) for kind in await self.types(day)):
            return False
        async with self._locking():
            # Again, with nobody writing: an event that is redriven may have come to an old day just now.
            await self._execute("LOCK TABLE ONLY events IN SHARE ROW EXCLUSIVE MODE")
            if any(not kept.is_over(kind, day, today) for kind in await self._types(name)):
                return False
            await self._connection.execute(_counts_of(day))
            await self._execute(f"DROP TABLE {name}")
            return True

    async def remove(self, day: date, kind: TypeOf, *, limit: int) -> int:
        name, whose = _name(day), {"tenant": kind.tenant, "type": kind.type}
        async with self._connection.begin():
            removed: int = (
                await self._connection.execute(text(_REMOVE.format(name=name)), whose | {"limit": limit})
            ).rowcount
            if removed < limit:
                columns = event_counts.c
                await self._connection.execute(
                    _counts_of(day).where(columns.tenant == kind.tenant, columns.type == kind.type)
                )
            return removed

    async def remove_strays(self, *, before: date, limit: int) -> int:
        async with self._connection.begin():
            done = await self._connection.execute(_REMOVE_STRAYS, {"before": before, "limit": limit})
            return int(done.rowcount)

    async def forget_counts(self, *, before: date, limit: int) -> int:
        async with self._connection.begin():
            done = await self._connection.execute(_FORGET_COUNTS, {"before": _midnight(before), "limit": limit})
            return int(done.rowcount)

    async def _types(self, name: str) -> list[TypeOf]:
        return [TypeOf(row.tenant, row.type) for row in await self._execute(_TYPES.format(name=name))]

    @asynccontextmanager
    async def _locking(self) -> AsyncIterator[None]:
        """One transaction that gives up where it would have to wait for long."""
        try:
            async with self._connection.begin():
                yield
        except DBAPIError as error:
            if not is_locked(error):
                raise
            raise Unavailable(f"A table was locked for {LOCK_SECONDS} s.") from error

    async def _execute(self, sql: str) -> Any:
        return await self._connection.exec_driver_sql(sql)


@asynccontextmanager
async def opened(database_direct_url: str, *, application_name: str) -> AsyncIterator[PostgresDays]:
    """The days, with nobody else changing tables meanwhile.

    Raises:
        Unavailable: the database does not answer, or a migration is running.
    """
    async with (
        connected(database_direct_url, application_name=application_name) as connection,
        alone(connection, wait_seconds=_TURN_SECONDS),
    ):
        await patience(connection, LOCK_SECONDS)
        await connection.commit()
        yield PostgresDays(connection)


def _name(day: date) -> str:
    return f"events_{day:%Y%m%d}"


def _counts_of(day: date) -> Delete:
    minute = event_counts.c.minute
    return delete(event_counts).where(minute >= _midnight(day), minute < _midnight(day + timedelta(days=1)))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
