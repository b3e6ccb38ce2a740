"""Steps in processes that are killed with SIGKILL over a real broker and a real database: each record once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from millrace_harness.parts.endpoints import Endpoints
from shared.adapters.kafka.log import KafkaEventLog
from shared.adapters.kafka.reading import KafkaLogReader
from shared.adapters.postgres.deadletters import PostgresDeadLetterStore
from shared.adapters.postgres.engine import Writer
from shared.adapters.postgres.jobs import PostgresJobStore
from shared.adapters.postgres.store import PostgresEventStore
from shared.deadletters.model import NewLetter, Scope, State
from shared.events.envelope import decode, encode
from shared.events.model import Event, LogRecord, Position
from shared.events.topics import Topic
from shared.jobs.model import Job, Kind
from shared.jobs.model import State as JobState
from shared.kit.clock import SystemClock
from tests.fixtures.events import MOMENT, an_event
from tests.fixtures.jobs import a_job
from tests.fixtures.jobs_process import LASTING_HOURS, Killing, run
from tests.fixtures.letters import a_letter
from tests.fixtures.parts import Database, fresh_topic

pytestmark = pytest.mark.parts

_NUMBER = 60
_MOMENTS = (5, 8, 11, 14, 15, 16, 17, 18, 21, 26, 31)
"""Where processes are killed one after the other. From 14 to 18 lie the append and what is before and after it."""


_KILLS = 5
"""So many at least: a job whose chunks are done may be over before all of its processes are killed."""


class Parts:
    """A topic and a database of one's own."""

    def __init__(self, endpoints: Endpoints, database: Database, topic: Topic) -> None:
        self._bootstrap = endpoints.kafka_bootstrap
        self.database = database
        self.topic = topic
        self.writer = Writer(database.writer, application_name="tests")
        self.log = KafkaEventLog(self._bootstrap, topic, client_id="tests", budget_seconds=10)
        self.reader = KafkaLogReader(self._bootstrap, topic, client_id="tests", bound_seconds=20)
        self.jobs = PostgresJobStore(self.writer)
        self.kills = 0

    async def close(self) -> None:
        await self.writer.close()
        await self.log.close()
        await self.reader.close()

    async def killed(self, kind: Kind, spec: dict[str, Any]) -> Job:
        """A job that is over, though process after process was killed."""
        job = a_job(kind, spec=spec)
        await self.jobs.create(job)
        for moment in (*_MOMENTS, None, None):
            killing = Killing(
                job=job.id,
                bootstrap=self._bootstrap,
                topic=self.topic.name,
                partitions=self.topic.partitions,
                writer=self.database.writer,
                reader=self.database.reader,
                moment=moment,
            )
            code = await asyncio.to_thread(run, killing)
            if code == 0:
                break
            assert code == -9, "it ended by itself, and the job is not over"
            self.kills += 1
            await self._let_the_lease_run_out(job.id)
        found = await self.jobs.get("tests", job.id)
        assert found is not None
        return found

    async def records(self) -> list[LogRecord]:
        """All that is in the topic."""
        at, ends, found = await self.reader.starts(), await self.reader.ends(), []
        while at != ends:
            span = await self.reader.read(at, ends, records=500)
            found += [LogRecord(decode(each.value), Position(each.partition, each.offset)) for each in span.records]
            at |= span.next
        return found

    async def rows(self, prefix: str) -> list[tuple[str, str]]:
        """The id and the place in the log of each row, sorted."""
        direct = await asyncpg.connect(self.database.direct, timeout=5)
        rows = await direct.fetch('SELECT id, "partition", "offset" FROM events WHERE id LIKE $1', f"{prefix}-%")
        await direct.close()
        return sorted((row["id"], f"{row['partition']}:{row['offset']}") for row in rows)

    async def _let_the_lease_run_out(self, job: UUID) -> None:
        # Two minutes pass, in which what was sent arrives: nobody waits for them here, where no replica lags.
        direct = await asyncpg.connect(self.database.direct, timeout=5)
        await direct.execute(
            """
            UPDATE jobs SET lease_until = clock_timestamp(),
                            progress = jsonb_set(progress::jsonb, '{chunk,again_at}', to_jsonb(clock_timestamp()))::json
            WHERE id = $1
            """,
            job,
        )
        await direct.close()


@pytest.fixture
async def parts(endpoints: Endpoints, database: Database) -> AsyncIterator[Parts]:
    topic = await asyncio.to_thread(fresh_topic, endpoints, partitions=3, retention_hours=LASTING_HOURS)
    made = Parts(endpoints, database, topic)
    yield made
    await made.close()


def events(prefix: str, **changes: Any) -> list[Event]:
    return [an_event(f"{prefix}-{number}", partition_key=str(number % 9), **changes) for number in range(_NUMBER)]


async def test_a_redrive_whose_processes_are_killed_makes_one_record_and_one_row_of_each_letter(parts: Parts) -> None:
    sent = events("redriven", received_at=SystemClock().now())  # of what is long ago, nobody keeps anything
    letters = [a_letter(value=encode(event)) for event in sent]
    store, ids = PostgresDeadLetterStore(parts.writer), [letter.id for letter in letters]
    await store.bury([NewLetter(letter=letter) for letter in letters])
    job = await parts.killed(Kind.REDRIVE, {"ids": [str(each) for each in ids], "rate": 10_000})
    assert parts.kills >= _KILLS
    progress = job.progress
    assert (job.state, progress.done, progress.skipped, progress.failed) == (JobState.DONE, _NUMBER, 0, 0)
    records = await parts.records()
    assert Counter(record.event.id for record in records) == Counter(event.id for event in sent)
    assert {each.state for each in await store.some(Scope("tests"), ids)} == {State.REDRIVEN}
    await PostgresEventStore(parts.writer).store(records)
    assert [id_ for id_, _ in await parts.rows("redriven")] == sorted(event.id for event in sent)


async def test_a_forced_replay_whose_processes_are_killed_appends_each_event_once_more(parts: Parts) -> None:
    sent = events("replayed")
    await parts.log.append(sent)
    span = {"from": MOMENT.isoformat(), "to": (MOMENT + timedelta(hours=1)).isoformat()}
    job = await parts.killed(Kind.REPLAY, span | {"mode": "force", "rate": 20})
    assert parts.kills >= _KILLS
    assert (job.state, job.progress.done) == (JobState.DONE, _NUMBER)
    records = await parts.records()
    assert Counter(record.event.id for record in records) == Counter({event.id: 2 for event in sent})
    assert sum(record.event.job is not None for record in records) == _NUMBER
    assert len({record.event.job for record in records}) == _NUMBER + 1


async def test_a_replay_whose_processes_are_killed_stores_what_is_missing_where_it_was(parts: Parts) -> None:
    sent = events("missing")
    await parts.log.append(sent)
    records = await parts.records()
    store = PostgresEventStore(parts.writer)
    await store.store(records[:20])
    span = {"from": MOMENT.isoformat(), "to": (MOMENT + timedelta(hours=1)).isoformat()}
    job = await parts.killed(Kind.REPLAY, span | {"mode": "if_missing", "rate": 20})
    assert (job.state, job.progress.done, job.progress.skipped) == (JobState.DONE, _NUMBER - 20, 20)
    assert len(await parts.records()) == len(records), "nothing is produced"
    assert await parts.rows("missing") == sorted((each.event.id, str(each.position)) for each in records)
