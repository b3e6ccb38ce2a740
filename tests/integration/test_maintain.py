"""`maintain` as it is wired, over real parts: one run after another, and one that two are started of."""

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from functions.maintain.wiring import wire
from millrace_harness.parts.endpoints import Endpoints
from shared.adapters.kafka.topics import create_topics
from shared.adapters.postgres.engine import Writer
from shared.adapters.postgres.store import PostgresEventStore
from shared.events.model import Outcome
from shared.events.topics import TOPICS
from shared.events.upkeep import Upkept
from shared.kit.clock import SystemClock
from shared.kit.deadline import Deadline
from shared.runtime.settings import MaintainSettings
from shared.status.vocabulary import Metric
from tests.fixtures.events import a_record, an_event
from tests.fixtures.parts import Database, fresh_database

pytestmark = pytest.mark.parts

NEVER_KNOWN = {Metric.ACCEPT_TO_STORED_P50, Metric.ACCEPT_TO_STORED_P95, Metric.ACCEPT_TO_STORED_P99}


@pytest.fixture
def database(endpoints: Endpoints) -> Iterator[Database]:
    """One of the test's own, with partitions of some days ago."""
    with fresh_database(endpoints, migrated=SystemClock().now().date() - timedelta(days=5)) as fresh:
        yield fresh


@pytest.fixture
async def settings(endpoints: Endpoints, database: Database) -> MaintainSettings:
    await create_topics(endpoints.kafka_bootstrap, TOPICS, replication=1)
    return MaintainSettings(
        database_direct_url=database.direct,
        kafka_bootstrap=endpoints.kafka_bootstrap,
        jobs_queue_url="https://127.0.0.1:1/jobs",  # no job is overdue, so nobody is told
        connection_budget=60,
    )


async def days_of(database: Database) -> set[str]:
    connection = await asyncpg.connect(database.direct, timeout=5)
    try:
        found = await connection.fetch("SELECT relname FROM pg_class WHERE relname ~ '^events_[0-9]{8}$'")
        return {row["relname"] for row in found}
    finally:
        await connection.close()


async def test_a_run_makes_the_days_and_tells_the_figures_that_are_true_afterwards(
    settings: MaintainSettings, database: Database, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Millrace")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "maintain")
    today = SystemClock().now().date()
    days, jobs, status = wire(settings)
    assert (days.name, jobs.name, status.name) == ("days", "jobs", "status")
    done = await days.work(Deadline(60))
    assert isinstance(done, Upkept)
    assert (done.days_made, done.strays) == (5, 0)
    assert f"events_{today + timedelta(days=7):%Y%m%d}" in await days_of(database)
    assert await days.work(Deadline(60)) == Upkept()

    await status.work(Deadline(60))
    told: dict[str, Any] = {}
    for line in capsys.readouterr().out.splitlines():
        told |= json.loads(line)
    assert told.keys() >= {metric.value[0] for metric in set(Metric) - NEVER_KNOWN}
    assert told["PartitionsAhead"] == [7.0]
    assert told["DefaultPartitionRows"] == [0.0]


async def test_of_two_runs_at_once_one_waits_or_gives_way_and_nothing_is_done_twice(
    settings: MaintainSettings, database: Database
) -> None:
    day = SystemClock().now() + timedelta(days=20)
    records = [a_record(an_event(received_at=day)) for _ in range(500)]
    writer = Writer(database.writer, application_name="integration")
    store = PostgresEventStore(writer)
    await store.store(records)
    chores = [wire(settings)[0] for _ in range(3)]
    answers = await asyncio.gather(*(chore.work(Deadline(60)) for chore in chores), return_exceptions=True)
    done = [answer for answer in answers if isinstance(answer, Upkept)]
    assert done
    assert sum(each.moved for each in done) == 500
    assert sum(each.days_made for each in done) == 6
    assert await store.store(records) == [Outcome.DUPLICATE] * 500
    await writer.close()
