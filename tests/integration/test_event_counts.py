"""Counts are exact, however often and in whatever batches records come."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.adapters.postgres.engine import Writer
from shared.adapters.postgres.store import PostgresEventStore
from shared.events.model import LogRecord, Outcome
from tests.fixtures.apart import apart
from tests.fixtures.events import MOMENT, a_record, an_event
from tests.fixtures.parts import Database

pytestmark = pytest.mark.parts

_COUNTED = """
SELECT minute, tenant, type, "partition", sum(events)::int FROM event_counts WHERE tenant LIKE $1 GROUP BY 1, 2, 3, 4
"""
_THERE = """
SELECT date_trunc('minute', received_at), tenant, type, "partition", count(*)::int FROM events WHERE tenant LIKE $1
GROUP BY 1, 2, 3, 4
"""


async def counted_and_there(database: Database, prefix: str) -> tuple[list[object], list[object]]:
    """What the counts say of tenants with this prefix, and what the rows do."""
    connection = await asyncpg.connect(database.direct, timeout=5)
    try:
        answers = [await connection.fetch(sql, f"{prefix}%") for sql in (_COUNTED, _THERE)]
    finally:
        await connection.close()
    counted, there = (sorted(tuple(row) for row in answer) for answer in answers)
    return list(counted), list(there)


@pytest.fixture
async def store(database: Database) -> AsyncIterator[PostgresEventStore]:
    writer = Writer(database.writer, application_name="counts")
    yield PostgresEventStore(writer)
    await writer.close()


def a_log(prefix: str, length: int) -> list[LogRecord]:
    """Some events of two tenants, types, minutes and partitions; every third is the one before once more."""
    records: list[LogRecord] = []
    for number in range(length):
        event = an_event(
            f"{prefix}-{number - (number % 3 == 2)}",
            tenant=f"{prefix}-{number // 3 % 2}",
            type=f"counted.{number // 6 % 2}",
            received_at=MOMENT + timedelta(seconds=number // 3 * 40),
        )
        records.append(a_record(event, partition=number // 3 % 2, offset=number))
    return records


batches = st.lists(st.tuples(st.integers(0, 29), st.integers(1, 30)), min_size=1, max_size=8)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(batches)
def test_counts_are_the_rows_whatever_is_delivered_how_often(database: Database, slices: list[tuple[int, int]]) -> None:
    prefix = f"counts-{uuid4()}"
    log = a_log(prefix, 30)

    async def delivered() -> list[Outcome]:
        writer = Writer(database.writer, application_name="counts")
        outcomes: list[Outcome] = []
        for start, length in slices:
            answer = await PostgresEventStore(writer).store(log[start : start + length])
            assert isinstance(answer, list)
            outcomes += answer
        await writer.close()
        return outcomes

    outcomes = apart(delivered())
    counted, there = apart(counted_and_there(database, prefix))
    assert counted == there
    assert outcomes.count(Outcome.STORED) == sum(row[-1] for row in there)  # type: ignore[index]


async def test_nothing_is_counted_of_a_batch_that_is_refused(store: PostgresEventStore, database: Database) -> None:
    log = [*a_log("refused", 6), a_record(an_event("refused", tenant="refused-x", data="1e131072"), offset=6)]
    await store.store(log)
    assert await counted_and_there(database, "refused") == ([], [])
    await store.store(log[:6])
    counted, there = await counted_and_there(database, "refused")
    assert counted == there != []
