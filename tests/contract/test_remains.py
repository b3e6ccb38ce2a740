"""What Remains, Rows and Erasures promise, kept in memory and by PostgreSQL."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from shared.adapters.memory.deadletters import MemoryDeadLetterStore
from shared.adapters.memory.events import MemoryEventStore
from shared.adapters.memory.jobs import MemoryErasures, MemoryJobStore
from shared.adapters.memory.reading import MemoryRows
from shared.adapters.memory.remains import MemoryRemains
from shared.adapters.postgres.deadletters import PostgresDeadLetterStore
from shared.adapters.postgres.engine import Writer
from shared.adapters.postgres.erasures import PostgresErasures
from shared.adapters.postgres.jobs import PostgresJobStore
from shared.adapters.postgres.present import PostgresRows
from shared.adapters.postgres.remains import PostgresRemains
from shared.adapters.postgres.store import PostgresEventStore
from shared.deadletters.model import NewLetter, Scope
from shared.deadletters.ports import DeadLetterStore
from shared.events.model import Event, LogRecord, Position
from shared.events.ports import EventFilter, EventStore, Keyset
from shared.jobs.model import Kind, State
from shared.jobs.ports import Erasures, JobStore, Remains, RowName, Rows
from tests.fixtures.events import MOMENT, an_event
from tests.fixtures.jobs import a_job
from tests.fixtures.letters import a_change, a_letter

_LOOKED = 5


@dataclass(frozen=True)
class Storage:
    """All that storage is."""

    events: EventStore
    letters: DeadLetterStore
    jobs: JobStore
    remains: Remains
    rows: Rows
    erasures: Erasures


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.parts)])
async def storage(request: pytest.FixtureRequest) -> AsyncIterator[Storage]:
    if request.param == "memory":
        events, letters, jobs = MemoryEventStore(), MemoryDeadLetterStore(), MemoryJobStore()
        remains = MemoryRemains(events, letters, jobs, looked=_LOOKED)
        yield Storage(events, letters, jobs, remains, MemoryRows(events), MemoryErasures())
        return
    writer = Writer(request.getfixturevalue("database").writer, application_name="contract")
    yield Storage(
        PostgresEventStore(writer),
        PostgresDeadLetterStore(writer),
        PostgresJobStore(writer),
        PostgresRemains(writer, looked=_LOOKED),
        PostgresRows(writer),
        PostgresErasures(writer, "secret"),
    )
    await writer.close()


@pytest.fixture
def tenant() -> str:
    return f"tenant-{uuid4()}"


async def stored(storage: Storage, *events: Event) -> None:
    await storage.events.store([LogRecord(event, Position(0, offset)) for offset, event in enumerate(events)])


async def found(storage: Storage, tenant: str, until: datetime = MOMENT, *, limit: int = 2) -> list[str]:
    """The ids of all rows that are found, look by look."""
    names: list[RowName] = []
    after: Keyset | None = None
    for _ in range(100):
        look = await storage.remains.rows(tenant, "gone", until, after=after, limit=limit)
        assert len(look.rows) <= limit
        assert look.looked <= _LOOKED
        names, after = names + look.rows, look.after
        if after is None:
            return [name.id for name in names]
    raise AssertionError("it does not end")


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
async def test_every_row_of_the_subject_is_found_once(storage: Storage, tenant: str, limit: int) -> None:
    events = [
        an_event(
            f"{number:02}",
            tenant=tenant,
            subject="gone" if number % 3 else "other",
            received_at=MOMENT + timedelta(hours=number),
        )
        for number in range(30)
    ]
    await stored(storage, *events, an_event(tenant=f"{tenant}-other", subject="gone"))
    wanted = [event.id for event in events if event.subject == "gone"]
    assert await found(storage, tenant, MOMENT + timedelta(hours=29), limit=limit) == wanted
    assert await found(storage, tenant, MOMENT + timedelta(hours=10), limit=limit) == [
        each for each in wanted if int(each) <= 10
    ]
    assert await found(storage, f"{tenant}-nobody") == []


async def test_rows_are_removed_and_no_others(storage: Storage, tenant: str) -> None:
    mine = [an_event(tenant=tenant, subject="gone", received_at=MOMENT + timedelta(days=day)) for day in (0, 1)]
    others = [an_event(tenant=tenant, subject="other"), an_event(tenant=f"{tenant}-other", subject="gone")]
    await stored(storage, *mine, *others)
    names = [
        RowName(day=event.received_day, key=event.key, id=event.id, source=event.source) for event in [*mine, *others]
    ]
    for _ in range(2):
        await storage.remains.remove_rows(tenant, "gone", names)
        assert await storage.rows.missing([*mine, *others]) == {event.key for event in mine}


async def test_what_has_no_row_is_missing(storage: Storage, tenant: str) -> None:
    there, absent = an_event(tenant=tenant), an_event(tenant=tenant)
    await stored(storage, there)
    another_day = an_event(there.id, tenant=tenant, received_at=MOMENT + timedelta(days=1))
    assert await storage.rows.missing([there, absent]) == {absent.key}
    assert await storage.rows.missing([another_day]) == {there.key}
    assert await storage.rows.missing([]) == set()


async def test_rows_of_a_source_or_a_subject_are_not_counted(storage: Storage, tenant: str) -> None:
    assert await storage.rows.counted(tenant, EventFilter(source="/s")) is None
    assert await storage.rows.counted(tenant, EventFilter(subject="s")) is None
    where = EventFilter(type="t", since=MOMENT, until=MOMENT + timedelta(hours=1))
    assert await storage.rows.counted(tenant, where) == 0


async def test_letters_of_the_subject_are_found_and_removed_with_their_edits(storage: Storage, tenant: str) -> None:
    early, late = int(MOMENT.timestamp() * 1000), int(MOMENT.timestamp() * 1000) + 1
    letters = {
        "gone": (a_letter(tenant=tenant, timestamp_ms=early), "gone"),
        "edited": (a_letter(tenant=tenant, timestamp_ms=early), "gone"),
        "other": (a_letter(tenant=tenant, timestamp_ms=early), "other"),
        "late": (a_letter(tenant=tenant, timestamp_ms=late), "gone"),
        "on its way": (a_letter(tenant=tenant, timestamp_ms=late), "gone"),
        "received after": (a_letter(tenant=tenant, timestamp_ms=late), "gone"),
        "foreign": (a_letter(tenant=f"{tenant}-other", timestamp_ms=early), "gone"),
    }
    received = {"on its way": MOMENT, "received after": MOMENT + timedelta(microseconds=1)}
    await storage.letters.bury(
        [
            NewLetter(letter=letter, subject=subject, received_at=received.get(name))
            for name, (letter, subject) in letters.items()
        ]
    )
    ids = {name: letter.id for name, (letter, _) in letters.items()}
    change = a_change(tenant=tenant, subject="another")
    assert await storage.letters.edit(Scope(tenant), ids["edited"], change, expected=0)
    some = await storage.remains.letters(tenant, "gone", MOMENT, limit=10)
    assert set(some) == {ids["gone"], ids["edited"], ids["on its way"]}
    assert len(await storage.remains.letters(tenant, "gone", MOMENT, limit=1)) == 1
    for _ in range(2):
        await storage.remains.remove_letters(tenant, [*some, ids["foreign"]])
    assert await storage.remains.letters(tenant, "gone", MOMENT, limit=10) == []
    assert len(await storage.letters.some(Scope(tenant), [*ids.values()])) == 3
    assert len(await storage.letters.some(Scope(f"{tenant}-other"), [ids["foreign"]])) == 1


async def test_older_jobs_that_are_not_at_work_do_not_name_the_subject_any_more(storage: Storage, tenant: str) -> None:
    named: list[dict[str, Any]] = [{"subject": "gone"}, {"filter": {"subject": "gone"}}]
    rest: dict[str, Any] = {"rate": 7, "dry_run": True}
    states = [State.DONE, State.CANCELLED, State.FAILED, State.PAUSED]
    over = [a_job(tenant=tenant, state=state, spec=spec | rest) for state in states for spec in named]
    foreign = a_job(tenant=f"{tenant}-other", state=State.DONE, spec={"subject": "gone"})
    others = [
        a_job(tenant=tenant, state=State.DONE, spec={"filter": {"subject": "other"}}),
        a_job(tenant=tenant, state=State.RUNNING, spec={"subject": "gone"}),
        a_job(tenant=tenant, state=State.QUEUED, spec={"filter": {"subject": "gone"}}),
        a_job(Kind.ERASURE, tenant=tenant, state=State.DONE, spec={"subject": "gone"}),
        a_job(tenant=tenant, state=State.FAILED, spec={"subject": "gone"}),
    ]
    others.insert(0, foreign)
    for job in [*over, *others]:
        await storage.jobs.create(job)
    (erasure,) = [job for job in others if job.kind is Kind.ERASURE]
    assert await storage.remains.naming(tenant, "gone", before=erasure.id) == len(over) + 2
    for _ in range(2):
        await storage.remains.unname(tenant, "gone", "hash", before=erasure.id)
        assert await storage.remains.naming(tenant, "gone", before=erasure.id) == 2
    kept = [found for job in over if (found := await storage.jobs.get(tenant, job.id)) is not None]
    assert [job.spec for job in kept] == [{"subject": "hash"} | rest, {"filter": {"subject": "hash"}} | rest] * 4
    assert [job.state for job in kept] == [State.DONE] * 2 + [State.CANCELLED] * 6
    for job in others:
        assert await storage.jobs.get(job.tenant, job.id) == job


async def test_a_subject_is_erased_up_to_the_last_time_that_it_was_asked_for(storage: Storage, tenant: str) -> None:
    later = MOMENT + timedelta(days=1)
    for moment in (MOMENT, later, MOMENT):
        await storage.erasures.note(tenant, "gone", moment, uuid4())
    assert await storage.erasures.asked(tenant, ["gone", "other"]) == {"gone": later}
    assert await storage.erasures.asked(f"{tenant}-other", ["gone"]) == {}
    assert await storage.erasures.asked(tenant, []) == {}


def test_a_digest_names_nobody_and_depends_on_the_secret() -> None:
    writer = Writer("postgresql://millrace:nothing@127.0.0.1:1/millrace", application_name="contract")
    first, second = PostgresErasures(writer, "one"), PostgresErasures(writer, "two")
    digests = {first.digest("tests", "gone"), second.digest("tests", "gone"), first.digest("testsg", "one")}
    assert len(digests) == 3
    assert all(len(digest) == 64 and "gone" not in digest for digest in digests)


@pytest.mark.parts
async def test_what_is_removed_is_counted_no_more(request: pytest.FixtureRequest, tenant: str) -> None:
    database = request.getfixturevalue("database")
    writer = Writer(database.writer, application_name="contract")
    storage = PostgresEventStore(writer)
    gone, kept = an_event(tenant=tenant, subject="gone"), an_event(tenant=tenant, subject="other")
    await storage.store([LogRecord(gone, Position(0, 0)), LogRecord(kept, Position(0, 1))])
    direct = await asyncpg.connect(database.direct, timeout=5)
    minute = MOMENT.astimezone(UTC).replace(second=0, microsecond=0)
    await direct.execute(
        "INSERT INTO event_counts VALUES ($1, $2, 'test.made', 0, 2) ON CONFLICT DO NOTHING", minute, tenant
    )
    remains, rows = PostgresRemains(writer), PostgresRows(writer)
    where = EventFilter(type="test.made", since=MOMENT, until=MOMENT + timedelta(minutes=1))
    assert await rows.counted(tenant, where) == 2
    name = RowName(day=gone.received_day, key=gone.key, id=gone.id, source=gone.source)
    for _ in range(2):
        await remains.remove_rows(tenant, "gone", [name])
        assert await rows.counted(tenant, where) == 1
    await direct.close()
    await writer.close()
