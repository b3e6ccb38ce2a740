"""Rows that the server makes."""

from collections.abc import Sequence
from datetime import date

import asyncpg

_FULL = "WITH (fillfactor = 70)"  # what pages of a btree come to when keys arrive in no order
_AT_ONCE = 500_000
_SECONDS = 3600.0

_FILL = """
INSERT INTO events (received_day, key, tenant, principal, id, source, type, partition_key, received_at, subject, data,
                    extensions, "partition", "offset")
SELECT $1::date, gen_random_uuid(), 'demo', 'development-key', gen_random_uuid()::text, '/shop/eu',
       'order.' || n % 5, 'customer-' || n % 1000, $1::date + n * interval '4 milliseconds', 'customer-' || n % 1000,
       jsonb_build_object('number', n), '{}', n % 12, n
FROM generate_series($2::bigint, $3::bigint - 1) AS n
"""


async def fill(url: str, rows: int, days: Sequence[date]) -> None:
    """Put `rows` events into the database, as many on each of `days`, and build the schema's indexes after.

    Their keys and ids are random, as those of events are, and their times ascend.
    """
    database = await asyncpg.connect(url, timeout=10, command_timeout=_SECONDS)
    try:
        definitions = await database.fetch("SELECT indexdef FROM pg_indexes WHERE tablename = 'events'")
        primary = await database.fetchval(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'events'::regclass AND contype = 'p'"
        )
        await database.execute("ALTER TABLE events DROP CONSTRAINT events_pkey")
        others = [row["indexdef"] for row in definitions if "events_pkey" not in row["indexdef"]]
        for definition in others:
            await database.execute(f"DROP INDEX {definition.split()[2]}")
        share = rows // len(days)
        for day in days:
            for first in range(0, share, _AT_ONCE):
                await database.execute(_FILL, day, first, min(first + _AT_ONCE, share))
        await database.execute("SET maintenance_work_mem = '512MB'")
        await database.execute(f"ALTER TABLE events ADD CONSTRAINT events_pkey {primary} {_FULL}")
        for definition in others:
            # A partitioned table's own index is ONLY its own; without that word it is built on each partition.
            whole = definition.replace(" ON ONLY ", " ON ")
            await database.execute(f"{whole} {_FULL}" if " USING btree " in whole else whole)
        await database.execute("ANALYZE events")
    finally:
        await database.close()
