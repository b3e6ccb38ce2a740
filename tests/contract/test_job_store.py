"""What JobStore promises, kept by the store in memory and by PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from msgspec.structs import replace

from shared.adapters.memory.jobs import MemoryJobStore
from shared.adapters.postgres.engine import Writer
from shared.adapters.postgres.jobs import PostgresJobStore
from shared.jobs.model import Chunk, Job, Progress, State
from shared.jobs.ports import JobStore, Superseded
from shared.kit.errors import Unavailable
from tests.fixtures.events import MOMENT
from tests.fixtures.jobs import a_job

_NOBODY = "postgresql://millrace:nothing@127.0.0.1:1/millrace"  # a port that nothing listens on
_LONG, _OVER = 60.0, 0.0  # seconds of a lease: one that holds, and one that has run out at once
_BEGUN = Progress(cursor={"at": 1}, chunk=Chunk(intent={"letters": ["a"]}, cursor={"at": 2}, looked=1, again_at=MOMENT))


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.parts)])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[JobStore]:
    """The port over something that answers."""
    if request.param == "memory":
        yield MemoryJobStore()
        return
    writer = Writer(request.getfixturevalue("database").writer, application_name="contract")
    yield PostgresJobStore(writer)
    await writer.close()


@pytest.fixture(params=["memory", "postgres"])
async def absent(request: pytest.FixtureRequest) -> AsyncIterator[JobStore]:
    """The port over nothing."""
    if request.param == "memory":
        memory = MemoryJobStore()
        memory.away = True
        yield memory
        return
    writer = Writer(_NOBODY, application_name="contract")
    yield PostgresJobStore(writer)
    await writer.close()


@pytest.fixture
def tenant() -> str:
    return f"tenant-{uuid4()}"


async def made(store: JobStore, tenant: str, state: State = State.QUEUED, progress: Progress | None = None) -> Job:
    job = a_job(tenant=tenant, state=state, progress=progress or Progress(), spec={"rate": 5, "ids": ["é"]})
    await store.create(job)
    return job


async def test_a_job_is_read_as_it_was_made(store: JobStore, tenant: str) -> None:
    job = await made(store, tenant, progress=_BEGUN)
    assert await store.get(tenant, job.id) == job


async def test_a_job_that_is_there_stays_as_it_is(store: JobStore, tenant: str) -> None:
    job = await made(store, tenant)
    await store.create(replace(job, state=State.DONE))
    assert await store.get(tenant, job.id) == job


async def test_tenants_do_not_see_each_other(store: JobStore, tenant: str) -> None:
    job = await made(store, tenant)
    other = f"{tenant}-other"
    assert await store.get(other, job.id) is None
    assert await store.page(other, before=None, limit=10) == []
    assert await store.steer(other, job.id, State.CANCELLED, since=set(State)) is None


async def test_pages_have_the_newest_first(store: JobStore, tenant: str) -> None:
    jobs = [await made(store, tenant) for _ in range(5)]
    first = await store.page(tenant, before=None, limit=3)
    assert first == jobs[:1:-1]
    assert await store.page(tenant, before=first[-1].id, limit=3) == jobs[1::-1]


async def test_one_of_many_gets_the_job(store: JobStore, tenant: str) -> None:
    job = await made(store, tenant)
    claims = await asyncio.gather(*(store.claim(job.id, uuid4(), seconds=_LONG) for _ in range(5)))
    (claimed,) = [each for each in claims if each is not None]
    assert (claimed.state, claimed.stalls) == (State.RUNNING, 1)


async def test_a_lease_that_has_run_out_is_another_ones(store: JobStore, tenant: str) -> None:
    job = await made(store, tenant)
    first, second = uuid4(), uuid4()
    await store.claim(job.id, first, seconds=_OVER)
    claimed = await store.claim(job.id, second, seconds=_LONG)
    assert claimed is not None
    assert claimed.stalls == 2
    with pytest.raises(Superseded):
        await store.commit(replace(claimed, progress=_BEGUN), first)
    await store.release(job.id, first, due_at=MOMENT)
    assert await store.claim(job.id, uuid4(), seconds=_LONG) is None
    kept = await store.get(tenant, job.id)
    assert kept is not None
    assert kept.progress == Progress()


async def test_what_is_committed_is_kept(store: JobStore, tenant: str) -> None:
    job, lease = await made(store, tenant), uuid4()
    claimed = await store.claim(job.id, lease, seconds=_LONG)
    assert claimed is not None
    changed = replace(claimed, progress=_BEGUN, spec={"rate": 6}, stalls=7, changed_at=MOMENT + timedelta(seconds=1))
    assert await store.commit(changed, lease) is State.RUNNING
    assert await store.get(tenant, job.id) == changed
    assert await store.commit(replace(changed, state=State.DONE), lease) is State.DONE
    assert await store.claim(job.id, uuid4(), seconds=_LONG) is None


async def test_who_pauses_a_running_job_is_not_overruled(store: JobStore, tenant: str) -> None:
    job, lease = await made(store, tenant), uuid4()
    claimed = await store.claim(job.id, lease, seconds=_LONG)
    assert claimed is not None
    paused = await store.steer(tenant, job.id, State.PAUSED, since={State.RUNNING})
    assert paused is not None
    assert paused.state is State.PAUSED
    ended = replace(claimed, state=State.DONE, progress=_BEGUN, spec={"hash": "what was asked is gone"})
    assert await store.commit(ended, lease) is State.PAUSED
    kept = await store.get(tenant, job.id)
    assert kept is not None
    assert (kept.state, kept.progress, kept.spec) == (State.PAUSED, _BEGUN, job.spec)


async def test_a_job_goes_only_where_it_may(store: JobStore, tenant: str) -> None:
    job = await made(store, tenant, State.DONE)
    assert await store.steer(tenant, job.id, State.CANCELLED, since={State.QUEUED, State.RUNNING}) is None
    assert await store.get(tenant, job.id) == job
    assert await store.steer(tenant, uuid4(), State.CANCELLED, since=set(State)) is None


@pytest.mark.parametrize("state", [State.PAUSED, State.CANCELLED])
async def test_what_was_begun_is_ended_also_where_the_job_was_stopped(
    store: JobStore, tenant: str, state: State
) -> None:
    begun, idle = await made(store, tenant, state, _BEGUN), await made(store, tenant, state)
    claimed = await store.claim(begun.id, uuid4(), seconds=_LONG)
    assert claimed is not None
    assert (claimed.state, claimed.progress) == (state, _BEGUN)
    assert await store.claim(idle.id, uuid4(), seconds=_LONG) is None


@pytest.mark.parametrize("state", [State.DONE, State.FAILED])
async def test_what_is_over_is_given_to_nobody(store: JobStore, tenant: str, state: State) -> None:
    job = await made(store, tenant, state, _BEGUN)
    assert await store.claim(job.id, uuid4(), seconds=_LONG) is None


async def test_what_is_resumed_is_due_at_once(store: JobStore, tenant: str) -> None:
    job = await made(store, tenant, State.FAILED)
    resumed = await store.steer(tenant, job.id, State.QUEUED, since={State.FAILED})
    assert resumed is not None
    assert resumed.state is State.QUEUED
    assert abs(resumed.due_at - datetime.now(UTC)) < timedelta(minutes=1)


async def test_what_nobody_has_woken_is_overdue(store: JobStore, tenant: str) -> None:
    job, lease = await made(store, tenant), uuid4()
    assert job.id in await store.overdue(seconds=60, limit=1000)
    await store.claim(job.id, lease, seconds=_LONG)
    assert job.id not in await store.overdue(seconds=60, limit=1000)
    await store.release(job.id, lease, due_at=datetime.now(UTC))
    assert job.id not in await store.overdue(seconds=60, limit=1000)
    assert job.id in await store.overdue(seconds=-60, limit=1000)


async def test_where_the_store_is_away_everything_says_so(absent: JobStore, tenant: str) -> None:
    job = a_job(tenant=tenant)
    for question in (
        absent.create(job),
        absent.get(tenant, job.id),
        absent.page(tenant, before=None, limit=1),
        absent.steer(tenant, job.id, State.PAUSED, since={State.QUEUED}),
        absent.claim(job.id, uuid4(), seconds=1),
        absent.commit(job, uuid4()),
        absent.release(job.id, uuid4(), due_at=MOMENT),
        absent.overdue(seconds=1, limit=1),
    ):
        with pytest.raises(Unavailable):
            await question
