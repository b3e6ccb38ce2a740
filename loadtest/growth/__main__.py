"""What storing a batch costs when a million rows are there, and when twenty million are.

    nice .millrace/venvs/tests/bin/python -m loadtest.growth

Two databases stand side by side and take turns: one that stays at the small size, and one of the large size, first with
all of its rows in one day's partition, then in twenty days', of which the last one is written to. Rows are filled in by
the server, small ones, and their indexes built as full as pages are that grew (70 %). The batches are of 500 events of
1 KB, stored as `persist` stores them. Needs 30 GB of disk for 20 million rows, half of it for the replica, and drops
what it made. Ends with code 1 where it could not measure; growth beyond 20 % is told.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from loadtest.cpu.__main__ import parts, say
from loadtest.growth.batches import Batches, Cost
from loadtest.growth.filling import fill
from millrace_harness.parts.endpoints import Endpoints
from millrace_harness.parts.errors import PartFailed
from shared.adapters.postgres.migrate import migrate

MOST = 1.2
_FIGURES = {
    "server_us": "the server's CPU",
    "client_us": "the client's CPU",
    "wall_us": "from call to answer",
}
_LAYOUTS = {"one day": 1, "twenty days": 20}


@asynccontextmanager
async def filled(endpoints: Endpoints, name: str, rows: int, days: int) -> AsyncIterator[str]:
    """A database with `rows` events, as many on each of the last `days` days. Dropped at the end."""
    admin = await asyncpg.connect(endpoints.database_direct_url, timeout=10)
    url = f"{endpoints.database_direct_url.rpartition('/')[0]}/{name}"
    try:
        await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await admin.execute(f"CREATE DATABASE {name}")
        today = datetime.now(UTC).date()
        for first in sorted({today - timedelta(days=number) for number in range(0, days, 8)}):
            await migrate(url, today=first)
        began = time.monotonic()
        await fill(url, rows, [today - timedelta(days=number) for number in range(days)])
        size = await admin.fetchval("SELECT pg_size_pretty(pg_database_size($1))", name)
        say(f"{name}: {rows:,} rows, {size}, filled in {time.monotonic() - began:.0f} s")
        yield url
    finally:
        await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await admin.close()


async def compared(small: str, large: str, rounds: int) -> tuple[list[Cost], list[Cost]]:
    """What rounds cost in both, taking turns."""
    async with Batches(small) as one, Batches(large) as other:
        found: tuple[list[Cost], list[Cost]] = ([], [])
        for number in range(-2, rounds):  # the first two warm up
            for batches, kept in ((one, found[0]), (other, found[1])):
                cost = await batches.round()
                if number >= 0:
                    kept.append(cost)
        return found


def lines(layout: str, few: list[Cost], many: list[Cost]) -> Iterator[str]:
    """The figures of one layout: the best round and, in brackets, the median; what grew is the best."""
    for name, unit in _FIGURES.items():
        small, large = (sorted(getattr(cost, name) for cost in side) for side in (few, many))
        growth = large[0] / small[0]
        told = " | ".join(f"{side[0]:6.1f} ({side[len(side) // 2]:.1f})" for side in (small, large))
        verdict = "met" if growth <= MOST else "missed"
        yield f"| {layout:<12} | {unit:<20} | {told} | {growth - 1:+7.0%} | {verdict:<6} |"


async def measured(endpoints: Endpoints, layouts: Sequence[str], *, few: int, many: int, rounds: int) -> None:
    """Print the table."""
    print("| rows lie in | µs an event | few rows | many rows | growth | < 20 % |", flush=True)
    print("|---|---|---|---|---|---|", flush=True)
    async with filled(endpoints, "growth_few", few, 1) as small:
        for layout in layouts:
            async with filled(endpoints, "growth_many", many, _LAYOUTS[layout]) as large:
                for line in lines(layout, *await compared(small, large, rounds)):
                    print(line, flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.growth", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--few", type=int, default=1_000_000, help="rows of the small database")
    parser.add_argument("--many", type=int, default=20_000_000, help="rows of the large one")
    parser.add_argument("--rounds", type=int, default=20, help="rounds of 40 batches of 500 events (default: 20)")
    parser.add_argument("--state", type=Path, help="a state folder whose parts are up (default: parts of its own)")
    parser.add_argument("--layout", choices=list(_LAYOUTS), help="where the many rows lie (default: both)")
    arguments = parser.parse_args()
    layouts = [arguments.layout] if arguments.layout else list(_LAYOUTS)
    try:
        with parts(arguments.state) as endpoints, asyncio.Runner() as runner:
            runner.run(measured(endpoints, layouts, few=arguments.few, many=arguments.many, rounds=arguments.rounds))
    except (PartFailed, asyncpg.PostgresError, OSError) as error:
        sys.exit(f"loadtest.growth: {error}")


if __name__ == "__main__":
    main()
