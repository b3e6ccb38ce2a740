"""The days of events as PostgreSQL keeps them: partitions, and the default one for what has none."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, select, text
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.adapters.postgres import day_statements as sql
from shared.adapters.postgres.direct import alone, connected, is_late, is_locked, patience
from shared.adapters.postgres.tables import event_counts, event_types, events
from shared.events.days import DayRefused, Kept, TypeOf
from shared.kit.deadline import Deadline
from shared.kit.errors import Unavailable
from shared.status.model import COUNTED

LOCK_SECONDS = 0.5  # for each of the two or three locks of a step; a batch that is being stored takes 0.1 s
# An autovacuum gives way to who has waited for deadlock_timeout, which is 1 s. Nobody else waits for it meanwhile.
_VACUUM_SECONDS = 2.0
_HELD_SECONDS = 4.0  # for all that a step does while nobody can store: a batch that is being stored waits for 5 s
_ABSENT_SECONDS = 2  # and so long, should this process stop in the middle of it
_COPIED = 5_000  # rows in one transaction
_MOVED = 50_000  # rows of a day: on a busy machine their last step takes 2.5 s
_TURN_SECONDS = 1  # a migration goes first
_COMMAND_SECONDS = 15.0  # what takes longer is not slow, but silent

DAYS = text(r"""
SELECT to_date(right(child.relname, 8), 'YYYYMMDD') AS day FROM pg_inherits
JOIN pg_class child ON child.oid = inhrelid JOIN pg_class parent ON parent.oid = inhparent
WHERE parent.oid = to_regclass('events') AND child.relname ~ '^events_\d{8}$' AND NOT inhdetachpending ORDER BY 1
""")
STRAYS = text(f"""
SELECT received_day AS day, count(*) AS events
FROM (SELECT received_day FROM events_default LIMIT {COUNTED}) counted GROUP BY 1
""")  # noqa: S608  # this module's own words

type _Do = Callable[[str], Awaitable[Any]]


class PostgresDays:
    """EventDays over a connection straight to the writer, which nobody else uses meanwhile."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def days(self) -> list[date]:
        async with self._connection.begin():
            return list((await self._connection.execute(DAYS)).scalars())

    async def strays(self) -> Mapping[date, int]:
        async with self._connection.begin():
            leftovers = (await self._connection.execute(sql.LEFTOVERS)).scalars()
            found = dict.fromkeys(leftovers, 0)
            return found | {row.day: row.events for row in await self._connection.execute(STRAYS)}

    async def make(self, day: date) -> int:
        if day in await self.days():
            return 0
        name, copy = _name(day), f"making_{day:%Y%m%d}"
        await self._require_room(day, name, copy)
        await self._make_table(copy)
        for _ in range(_MOVED // _COPIED + 1):
            if await self._copy(day, copy) < _COPIED:
                break
        async with self._locking("events_default") as do:
            # Attached rather than made as a partition: that leaves the table to readers. But not to writers: one that
            # has found no partition for its row would be refused by the default one, which takes it no more.
            await do("LOCK TABLE ONLY events IN SHARE ROW EXCLUSIVE MODE")
            await self._look_for_readers(do)
            await do(sql.FORGET_COPIES.format(name=copy, day=day))
            await do(sql.COPY_REST.format(name=copy, day=day))
            moved: int = (await do(f"DELETE FROM events_default WHERE received_day = '{day}'")).rowcount  # noqa: S608
            await do(f"ALTER TABLE {copy} RESET (autovacuum_enabled)")
            await do(f"ALTER TABLE {copy} RENAME TO {name}")
            if moved:
                # A query that is planned now knows of the default partition only, and its rows will have left that.
                await do("LOCK TABLE ONLY events IN ACCESS EXCLUSIVE MODE")
            bounds = f"FROM ('{day}') TO ('{day + timedelta(days=1)}')"
            await do(f"ALTER TABLE events ATTACH PARTITION {name} FOR VALUES {bounds}")
            return moved

    async def _require_room(self, day: date, name: str, copy: str) -> None:
        async with self._connection.begin():
            counted = f"SELECT FROM events_default WHERE received_day = '{day}' LIMIT {_MOVED + 1}"
            taken = f"to_regclass('{name}') IS NOT NULL AS taken"
            statement = f"SELECT {taken}, (SELECT count(*) FROM ({counted}) its) AS strays"  # noqa: S608
            found = (await self._execute(statement)).one()
            if not found.taken and found.strays <= _MOVED:
                return
            await self._execute(f"DROP TABLE IF EXISTS {copy}")  # copies that nobody would look after
        if found.taken:
            raise DayRefused(f"A table {name} is there that is no partition of events: attach, rename or drop it.")
        raise DayRefused(f"More than {_MOVED} events of it are outside of any day: moving them would hold up storing.")

    async def _look_for_readers(self, do: _Do) -> None:
        """Look whether the last lock could be had, and leave it to readers again.

        Who stores would have waited in vain for what comes in between, were it found out only then, and at every run.
        """
        await do("SAVEPOINT before")
        await do("LOCK TABLE ONLY events, ONLY events_default IN ACCESS EXCLUSIVE MODE")
        await do("ROLLBACK TO SAVEPOINT before")

    async def _make_table(self, name: str) -> None:
        """A table for a day's events, to be attached. One that a killed run has left is used, unless it is outdated."""
        async with self._connection.begin():
            ours, its = [
                (await self._connection.exec_driver_sql(sql.COLUMNS, (table,))).scalar_one()
                for table in (events.name, name)
            ]
            if its is not None and its != ours:
                await self._execute(f"DROP TABLE {name}")
            # What vacuums it as it fills would be in the way of its attachment.
            statement = f"CREATE TABLE IF NOT EXISTS {name} (LIKE events INCLUDING ALL) WITH (autovacuum_enabled = off)"
            await self._execute(statement)

    async def _copy(self, day: date, name: str) -> int:
        """Copy some events of the default partition while everybody reads and writes, so that the rest is quick."""
        async with self._connection.begin():
            return int((await self._execute(sql.COPY.format(name=name, day=day, limit=_COPIED))).rowcount)

    async def kept(self) -> Kept:
        async with self._connection.begin():
            return await self._kept()

    async def types(self, day: date) -> Sequence[TypeOf]:
        async with self._connection.begin():
            return await self._types(_name(day))

    async def give_up(self, day: date, today: date) -> bool:
        name = _name(day)
        async with self._connection.begin():
            if await self._is_needed(day, today):
                return False
        async with self._locking(name) as do:
            # Again, with nobody writing: an event that is redriven may have come to an old day just now, its type may
            # be kept for longer since, and the table may be a partition no more.
            await do("LOCK TABLE ONLY events IN SHARE ROW EXCLUSIVE MODE")
            there = (await self._connection.execute(DAYS)).scalars()
            if day not in there or await self._is_needed(day, today):
                return False
            await do(f"DROP TABLE {name}")
            return True

    async def remove(self, day: date, kind: TypeOf, today: date, *, limit: int) -> int:
        whose = {"tenant": kind.tenant, "type": kind.type}
        async with self._connection.begin():
            if not (await self._kept()).is_over(kind, day, today):
                return 0
            done = await self._connection.execute(text(sql.REMOVE.format(day=day)), whose | {"limit": limit})
            removed = int(done.rowcount)
            left = text(f"SELECT EXISTS (SELECT {sql.OF_TYPE.format(day=day)})")
            if removed < limit or not (await self._connection.execute(left, whose)).scalar_one():
                columns = event_counts.c
                its = (columns.tenant == kind.tenant, columns.type == kind.type)
                await self._connection.execute(delete(event_counts).where(*_within(day), *its))
            return removed

    async def remove_strays(self, today: date, *, limit: int) -> int:
        async with self._connection.begin():
            before = (await self._kept()).all_over_before(today)
            done = await self._connection.execute(sql.REMOVE_STRAYS, {"before": before, "limit": limit})
            return int(done.rowcount)

    async def counted(self) -> list[date]:
        async with self._connection.begin():
            return list((await self._connection.execute(sql.COUNTED)).scalars())

    async def forget_counts(self, day: date, *, limit: int) -> int:
        span = {"since": _midnight(day), "until": _midnight(day + timedelta(days=1))}
        async with self._connection.begin():
            statement = text(sql.FORGET_COUNTS.format(day=day))
            return int((await self._connection.execute(statement, span | {"limit": limit})).rowcount)

    async def _kept(self) -> Kept:
        columns = event_types.c
        current = (
            select(columns.tenant, columns.type, columns.retention_days)
            .ext(distinct_on(columns.tenant, columns.type))
            .order_by(columns.tenant, columns.type, columns.version.desc())
        )
        rows = await self._connection.execute(current)
        return Kept({TypeOf(row.tenant, row.type): row.retention_days for row in rows})

    async def _is_needed(self, day: date, today: date) -> bool:
        kinds = await self._types(_name(day))
        kept = await self._kept()
        return any(not kept.is_over(kind, day, today) for kind in kinds)

    async def _types(self, name: str) -> list[TypeOf]:
        return [TypeOf(row.tenant, row.type) for row in await self._execute(sql.TYPES.format(name=name))]

    @asynccontextmanager
    async def _locking(self, vacuumed: str) -> AsyncIterator[_Do]:
        """One transaction that gives up where it would take or wait for long, and what does its statements.

        `vacuumed` is a table that an autovacuum may be at: it is sent away before anybody is locked out.
        """
        try:
            async with self._connection.begin():
                await self._execute(f"SET LOCAL idle_in_transaction_session_timeout = '{_ABSENT_SECONDS}s'")
                await self._execute(f"SET LOCAL lock_timeout = '{int(_VACUUM_SECONDS * 1000)}ms'")
                await self._execute(f"LOCK TABLE ONLY {vacuumed} IN SHARE UPDATE EXCLUSIVE MODE")
                await self._execute(f"SET LOCAL lock_timeout = '{int(LOCK_SECONDS * 1000)}ms'")
                deadline = Deadline(_HELD_SECONDS)

                async def do(statement: str) -> Any:
                    left = max(1, int(deadline.left() * 1000))  # 0 would be for ever
                    await self._execute(f"SET LOCAL statement_timeout = '{left}ms'")
                    return await self._execute(statement)

                yield do
        except DBAPIError as error:
            if is_late(error):
                raise Unavailable(f"A step would have held up storing for {_HELD_SECONDS} s.") from error
            if not is_locked(error):
                raise
            raise Unavailable(f"A table was locked for {LOCK_SECONDS} s.") from error

    async def _execute(self, statement: str) -> Any:
        return await self._connection.exec_driver_sql(statement)


@asynccontextmanager
async def opened(database_direct_url: str, *, application_name: str) -> AsyncIterator[PostgresDays]:
    """The days, with nobody else changing tables meanwhile.

    Raises:
        Unavailable: the database does not answer, or a migration is running.
    """
    async with (
        connected(
            database_direct_url, application_name=application_name, command_seconds=_COMMAND_SECONDS
        ) as connection,
        alone(connection, wait_seconds=_TURN_SECONDS),
    ):
        await patience(connection, LOCK_SECONDS)
        await connection.commit()
        yield PostgresDays(connection)


def _name(day: date) -> str:
    return f"events_{day:%Y%m%d}"


def _within(day: date) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    minute = event_counts.c.minute
    return minute >= _midnight(day), minute < _midnight(day + timedelta(days=1))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
