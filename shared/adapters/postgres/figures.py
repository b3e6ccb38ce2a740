"""What PostgreSQL knows about itself and what lies in it."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.adapters.postgres.days import DAYS, STRAYS
from shared.adapters.postgres.engine import Reader, Writer
from shared.adapters.postgres.tables import dead_letters
from shared.events.days import days_around
from shared.kit.errors import Unavailable
from shared.status.model import COUNTED, LATENCY_SECONDS, Connections, DeadLetters, Latency, Partitions

_PAGES = 1_000  # 8 MB at the end of each table: with events of 1 KB some 7,000 rows
_PAGE_BYTES = 8_192
_DEAD = select(func.count()).select_from(
    select(dead_letters.c.id).where(dead_letters.c.state == "dead").limit(COUNTED).subquery()
)
_CONNECTIONS = """
SELECT (SELECT sum(numbackends)::bigint FROM pg_stat_database) AS in_use,
       current_setting('max_connections')::int AS most
"""
_SIZES = """
SELECT relname, pg_relation_size(oid) AS bytes FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relname = ANY($1::text[])
"""
# The newest rows lie at the end of a table, because rows come and are not changed: no index is needed to find them.
_NEWEST = """
SELECT received_at, stored_at FROM {table} WHERE ctid >= '({page},0)'::tid AND stored_at >= $1
"""
# Three figures instead of one array: other arrays than text[] make asyncpg ask the catalog, which pins.
_PERCENTILES = """
SELECT count(*) AS sampled, percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) AS p50,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY ms) AS p95, percentile_cont(0.99) WITHIN GROUP (ORDER BY ms) AS p99
FROM (SELECT (extract(epoch FROM stored_at - received_at) * 1000)::float8 AS ms FROM ({newest}) newest) measured
"""


class PostgresFigures:
    """StorageFigures over any connection to the writer. `connection_budget` is how many connections we allow."""

    def __init__(self, database: Writer | Reader, *, connection_budget: int) -> None:
        self._database = database
        self._budget = connection_budget

    async def dead_letters(self) -> DeadLetters:
        async def work(connection: AsyncConnection) -> DeadLetters:
            return DeadLetters((await connection.execute(_DEAD)).scalar_one())

        return await self._ask(work)

    async def latency(self, now: datetime) -> Latency:
        # What is stored now was received now, or waited for a day at most. Older events, which come from a spool or are
        # redriven, say nothing of how quick the way is.
        today = now.astimezone(UTC).date()
        names = [f"events_{day:%Y%m%d}" for day in (today, today - timedelta(days=1))]

        async def work(connection: AsyncConnection) -> Latency:
            sizes = await connection.exec_driver_sql(_SIZES, ([*names, "events_default"],))
            newest = " UNION ALL ".join(
                _NEWEST.format(table=row.relname, page=max(0, row.bytes // _PAGE_BYTES - _PAGES)) for row in sizes
            )
            since = now - timedelta(seconds=LATENCY_SECONDS)
            row = (await connection.exec_driver_sql(_PERCENTILES.format(newest=newest), (since,))).one()
            p50, p95, p99 = (None if ms is None else round(ms, 1) for ms in (row.p50, row.p95, row.p99))
            return Latency(sampled=row.sampled, p50_ms=p50, p95_ms=p95, p99_ms=p99)

        return await self._ask(work)

    async def connections(self) -> Connections:
        async def work(connection: AsyncConnection) -> Connections:
            row = (await connection.exec_driver_sql(_CONNECTIONS)).one()
            return Connections(in_use=row.in_use, most=row.most, budget=self._budget)

        return await self._ask(work)

    async def partitions(self, today: date) -> Partitions:
        async def work(connection: AsyncConnection) -> Partitions:
            days = list((await connection.execute(DAYS)).scalars())
            strays = [row.events for row in await connection.execute(STRAYS)]
            oldest = str(days[0]) if days else None
            return Partitions(ahead=_ahead(days, today), oldest=oldest, default_rows=sum(strays))

        return await self._ask(work)

    async def _ask[T](self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        try:
            return await self._database.transaction(work)
        except DBAPIError as error:  # it refuses nothing that is asked here while it is well
            raise Unavailable("The database does not tell its figures.") from error


def _ahead(days: list[date], today: date) -> int:
    there = set(days)
    count = 0
    for day in days_around(today)[1:]:
        if day <= today or day not in there:
            break
        count += 1
    return count
