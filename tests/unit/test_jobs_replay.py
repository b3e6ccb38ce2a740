"""What is brought again, from where, and what is not."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from shared.adapters.memory import reading
from shared.events.model import Event, StoredEvent
from shared.events.ports import EventFilter
from shared.jobs.model import Job, Kind, State
from tests.fixtures.events import MOMENT, an_event
from tests.fixtures.jobs import Bench

SPAN = {"from": MOMENT.isoformat(), "to": (MOMENT + timedelta(hours=1)).isoformat()}
_LONG_AFTER = timedelta(days=30)


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def replay(bench: Bench, **spec: Any) -> Job:
    return await bench.run(await bench.begin(Kind.REPLAY, **(SPAN | spec)))


async def rows(bench: Bench) -> list[StoredEvent]:
    return await bench.store.page("tests", EventFilter(), after=None, limit=100, descending=False)


def copies(bench: Bench) -> list[Event]:
    return [each.event for each in bench.log.records() if each.event.job is not None]


async def given_up(bench: Bench) -> None:
    """The log has given up all that it had, after storage had it all."""
    await bench.store.store(bench.log.records())
    bench.reader.first = {partition: len(each) for partition, each in enumerate(bench.log.partitions)}
    bench.clock.moment += _LONG_AFTER


async def test_what_is_missing_is_stored_where_it_was_in_the_log(bench: Bench) -> None:
    await bench.log.append([an_event("a"), an_event("b")])
    job = await replay(bench)
    assert (job.state, job.progress.done, sorted(job.progress.result["sample"])) == (State.DONE, 2, ["a", "b"])
    assert {row.event.id: row.position for row in await rows(bench)} == {
        each.event.id: each.position for each in bench.log.records()
    }
    assert copies(bench) == []


async def test_a_second_replay_finds_nothing_missing(bench: Bench) -> None:
    await bench.log.append([an_event(), an_event()])
    await replay(bench)
    job = await replay(bench)
    assert (job.progress.done, job.progress.skipped) == (0, 2)


@pytest.mark.parametrize("mode", ["if_missing", "force"])
async def test_only_the_span_is_replayed(bench: Bench, mode: str) -> None:
    moments = {"before": -1, "first": 0, "last": 3599.999999, "after": 3600}
    await bench.log.append(
        [an_event(name, received_at=MOMENT + timedelta(seconds=second)) for name, second in moments.items()]
    )
    job = await replay(bench, mode=mode)
    assert sorted(job.progress.result["sample"]) == ["first", "last"]


async def test_an_event_that_came_late_to_the_log_is_found(bench: Bench) -> None:
    late = an_event("late", partition_key="key")
    await bench.log.append([an_event("early", partition_key="key", received_at=MOMENT + timedelta(days=1)), late])
    assert (await replay(bench)).progress.result["sample"] == ["late"]


@pytest.mark.parametrize("mode", ["if_missing", "force"])
@pytest.mark.parametrize("wanted", [{"type": "other"}, {"source": "/other"}, {"subject": "other"}])
async def test_a_filter_takes_what_it_fits(bench: Bench, mode: str, wanted: dict[str, str]) -> None:
    await bench.log.append([an_event("other", **wanted), an_event("plain")])
    assert (await replay(bench, mode=mode, filter=wanted)).progress.result["sample"] == ["other"]


@pytest.mark.parametrize("mode", ["if_missing", "force"])
async def test_no_other_tenants_event_is_touched(bench: Bench, mode: str) -> None:
    await bench.log.append([an_event(tenant="somebody-else", subject="tests")])
    job = await replay(bench, mode=mode)
    assert (job.progress.looked, job.progress.done, job.progress.skipped) == (1, 0, 0)
    assert await bench.store.page("somebody-else", EventFilter(), after=None, limit=9, descending=False) == []
    assert copies(bench) == []


@pytest.mark.parametrize("mode", ["if_missing", "force"])
@pytest.mark.parametrize("old", [False, True])
async def test_subjects_that_were_erased_do_not_come_back(bench: Bench, mode: str, old: bool) -> None:
    again = an_event("again", subject="gone", received_at=MOMENT + timedelta(seconds=1))
    await bench.log.append([an_event("gone", subject="gone"), again, an_event("other", subject="other")])
    if old:
        await given_up(bench)
    await bench.erasures.note("tests", "gone", MOMENT, uuid4())
    job = await replay(bench, mode=mode)
    expected = [] if old and mode == "if_missing" else ["again", "other"]
    assert sorted(job.progress.result.get("sample", [])) == expected


async def test_a_forced_replay_has_every_consumer_see_the_events_again(bench: Bench) -> None:
    event = an_event("a", waiter="somebody")
    await bench.log.append([event])
    (original,) = bench.log.records()
    await bench.store.store([original])
    job = await replay(bench, mode="force")
    (copy,) = copies(bench)
    position = original.position
    assert copy.job == f"{job.id}:{position.partition}@{position.offset}"
    assert (copy.key, copy.received_at, copy.waiter) == (event.key, event.received_at, None)
    await bench.store.store(bench.log.records())
    assert len(await rows(bench)) == 1


async def test_copies_are_not_copied(bench: Bench) -> None:
    await bench.log.append([an_event(), an_event()])
    for _ in range(3):
        assert (await replay(bench, mode="force")).progress.done == 2
    assert len(copies(bench)) == 6


async def test_what_the_log_has_given_up_comes_from_storage(bench: Bench) -> None:
    await bench.log.append([an_event(f"event-{number}") for number in range(12)])
    await given_up(bench)
    job = await replay(bench, mode="force", rate=5)
    assert (job.state, job.progress.total, job.progress.done) == (State.DONE, 12, 12)
    assert sorted(event.id for event in copies(bench)) == sorted(f"event-{number}" for number in range(12))


async def test_a_span_that_the_log_has_in_part_comes_from_both(bench: Bench) -> None:
    await bench.log.append([an_event("old")])
    await given_up(bench)
    young = an_event("young", received_at=bench.clock.moment - timedelta(days=1))
    await bench.log.append([young])
    await bench.store.store(bench.log.records())
    job = await replay(bench, mode="force", to=bench.clock.moment.isoformat())
    assert sorted(event.id for event in copies(bench)) == ["old", "young"]
    assert "log_asked_since" in job.progress.result


async def test_storage_misses_nothing_that_only_storage_has(bench: Bench) -> None:
    await bench.log.append([an_event()])
    await given_up(bench)
    job = await replay(bench)
    assert (job.state, job.progress.done) == (State.DONE, 0)
    assert "log_asked_since" in job.progress.result


@pytest.mark.parametrize("mode", ["if_missing", "force"])
async def test_a_dry_run_counts_and_changes_nothing(bench: Bench, mode: str) -> None:
    await bench.log.append([an_event("a"), an_event("b")])
    job = await replay(bench, mode=mode, dry_run=True)
    assert (job.progress.done, sorted(job.progress.result["sample"])) == (2, ["a", "b"])
    assert await rows(bench) == []
    assert copies(bench) == []


async def test_a_replay_ends_though_its_own_copies_lengthen_the_log(bench: Bench) -> None:
    await bench.log.append([an_event() for _ in range(10)])
    job = await replay(bench, mode="force", rate=3)
    assert (job.progress.looked, job.progress.done) == (10, 10)


async def test_a_log_that_gives_up_records_meanwhile_fails_the_job_and_says_so(bench: Bench) -> None:
    await bench.log.append([an_event(partition_key="key") for _ in range(10)])
    id_ = await bench.begin(Kind.REPLAY, **SPAN, rate=2)
    await bench.once(id_, seconds=13)
    bench.reader.first = {partition: len(each) for partition, each in enumerate(bench.log.partitions)}
    job = await bench.run(id_)
    assert (job.state, "given up" in (job.progress.message or "")) == (State.FAILED, True)


async def test_what_storage_refuses_is_counted_and_named(bench: Bench) -> None:
    await bench.log.append([an_event()])
    await bench.log.append([an_event("what storage\0refuses")])
    job = await replay(bench)
    assert (job.state, job.progress.failed, len(job.progress.result["failed_positions"])) == (State.DONE, 1, 1)
    assert job.progress.done == 1


async def test_bytes_that_are_no_event_are_passed_over(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    await bench.log.append([an_event()])
    monkeypatch.setattr(reading, "encode", lambda event: b"tests")
    job = await replay(bench)
    assert (job.state, job.progress.looked, job.progress.done) == (State.DONE, 1, 0)
