"""What is brought again, from where, and what is not."""

from datetime import timedelta
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from shared.adapters.memory import reading
from shared.events.model import Event, StoredEvent
from shared.events.ports import EventFilter
from shared.jobs.model import Job, Kind, State
from tests.fixtures.events import MOMENT, a_record, an_event
from tests.fixtures.jobs import Bench, Fuse

SPAN = {"from": MOMENT.isoformat(), "to": (MOMENT + timedelta(hours=1)).isoformat()}
_LONG_AFTER = timedelta(days=30)


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def replay(bench: Bench, **spec: Any) -> Job:
    return await bench.run(await bench.begin(Kind.REPLAY, **(SPAN | spec)))


def in_time(bench: Bench) -> list[Event]:
    """Copies, as they were appended."""
    placed = [each for each in bench.log.records() if each.event.job is not None]
    placed.sort(key=lambda each: bench.log.appended[each.position.partition][each.position.offset])
    return [each.event for each in placed]


async def rows(bench: Bench) -> list[StoredEvent]:
    return await bench.store.page("tests", EventFilter(), after=None, limit=100, descending=False)


def copies(bench: Bench) -> list[Event]:
    return [each.event for each in bench.log.records() if each.event.job is not None]


def kept(bench: Bench, days: int = 7) -> None:
    """The log has given up what was appended longer ago."""
    edge = bench.clock.moment - timedelta(days=days)
    bench.reader.first = {
        partition: sum(moment < edge for moment in moments) for partition, moments in enumerate(bench.log.appended)
    }


async def late(bench: Bench, *, stored: bool) -> None:
    """Eight days on: one event that the log has given up, and one of the same hour that came to the log just now."""
    await bench.log.append([an_event("early", partition_key="key")])
    await bench.store.store(bench.log.records())
    bench.clock.moment += timedelta(days=8)
    await bench.log.append([an_event("late", partition_key="key", received_at=MOMENT + timedelta(minutes=5))])
    if stored:
        await bench.store.store(bench.log.records())
    kept(bench)


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
    assert (job.state, job.progress.looked, job.progress.total, job.progress.done) == (State.DONE, 0, 0, 0)
    assert job.progress.skipped == 0
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
    job = await replay(bench, mode="force", to=bench.clock.moment.isoformat(), rate=1)
    assert [event.id for event in in_time(bench)] == ["young", "old"], "the log forgets, and is first"
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
    assert (job.state, job.progress.looked, job.progress.done) == (State.DONE, 0, 0)


async def test_an_old_span_is_looked_for_in_the_log_too(bench: Bench) -> None:
    await late(bench, stored=False)
    job = await replay(bench)
    assert (job.state, job.progress.result["sample"]) == (State.DONE, ["late"])
    assert sorted(row.event.id for row in await rows(bench)) == ["early", "late"]


@pytest.mark.parametrize("stored", [False, True])
async def test_what_log_and_storage_both_have_is_brought_once(bench: Bench, stored: bool) -> None:
    await late(bench, stored=stored)
    job = await replay(bench, mode="force", to=bench.clock.moment.isoformat())
    assert (job.state, sorted(event.id for event in copies(bench))) == (State.DONE, ["early", "late"])


@pytest.mark.parametrize("stored", [0, 1, 2])
async def test_what_the_log_has_twice_is_brought_once(bench: Bench, stored: int) -> None:
    event = an_event(partition_key="key")
    await bench.log.append([event, event])
    await bench.store.store(bench.log.records()[stored - 1 : stored])
    job = await replay(bench, mode="force")
    (copy,) = copies(bench)
    partition = bench.log.records()[0].position.partition
    assert copy.job == f"{job.id}:{partition}@{max(0, stored - 1)}"


async def test_an_event_that_storage_has_by_a_copy_alone_is_brought_once(bench: Bench) -> None:
    await bench.log.append([an_event("a", partition_key="key")])
    await replay(bench, mode="force")
    await bench.store.store(bench.log.records()[1:])
    await replay(bench, mode="force")
    assert len(copies(bench)) == 2


async def test_a_row_whose_record_the_log_has_lost_is_brought_once_though_the_log_has_it_again(bench: Bench) -> None:
    await late(bench, stored=True)
    await bench.log.append([an_event("early", partition_key="key")])
    job = await replay(bench, mode="force", to=bench.clock.moment.isoformat())
    assert (job.state, sorted(event.id for event in copies(bench))) == (State.DONE, ["early", "late"])


async def test_what_the_log_gives_up_meanwhile_comes_from_storage(bench: Bench) -> None:
    names = [f"event-{number}" for number in range(10)]
    await bench.log.append([an_event(name, partition_key="key") for name in names])
    await bench.store.store(bench.log.records())
    id_ = await bench.begin(Kind.REPLAY, **SPAN, mode="force", rate=2)
    await bench.once(id_, seconds=13)
    assert 0 < len(copies(bench)) < 10
    bench.reader.first = {partition: min(10, len(each)) for partition, each in enumerate(bench.log.partitions)}
    bench.clock.moment += _LONG_AFTER
    job = await bench.run(id_)
    assert (job.state, job.progress.done) == (State.DONE, 10)
    assert sorted(event.id for event in copies(bench)) == names


async def test_rows_that_come_in_while_a_step_is_killed_push_none_out() -> None:
    for moment in count():
        bench, fuse = Bench(), Fuse(moment)
        await bench.log.append([an_event(str(each), received_at=MOMENT + timedelta(seconds=each)) for each in range(6)])
        await given_up(bench)

        async def older(bench: Bench = bench) -> None:
            events = [an_event(f"older-{each}", received_at=MOMENT + timedelta(milliseconds=each)) for each in range(4)]
            await bench.store.store([a_record(event, offset=1000 + place) for place, event in enumerate(events)])

        job = await bench.run(await bench.begin(Kind.REPLAY, **SPAN, mode="force", rate=3), fuse, after_kill=older)
        brought = sorted(event.id for event in copies(bench) if not event.id.startswith("older"))
        assert (job.state, brought, job.progress.skipped) == (State.DONE, [str(each) for each in range(6)], 0)
        if fuse.passed <= moment:
            assert moment > 20, "there were no moments to speak of"
            return


@pytest.mark.parametrize("mode", ["if_missing", "force"])
async def test_a_chunk_that_the_log_gives_up_after_a_kill_is_ended_and_named(mode: str) -> None:
    failed = 0
    for moment in count():
        bench, fuse = Bench(), Fuse(moment)
        await bench.log.append([an_event(f"event-{number}", partition_key="key") for number in range(4)])
        given = {partition: len(each) for partition, each in enumerate(bench.log.partitions)}

        async def forgetting(bench: Bench = bench, given: dict[int, int] = given) -> None:
            bench.reader.first = given

        job = await bench.run(await bench.begin(Kind.REPLAY, **SPAN, mode=mode, rate=2), fuse, after_kill=forgetting)
        assert job.progress.chunk is None
        assert job.progress.message is None or "given up" in job.progress.message
        assert len(job.progress.result.get("failed_positions", [])) == job.progress.failed
        assert len({event.job for event in copies(bench)}) == len(copies(bench))
        failed += job.progress.failed
        if fuse.passed <= moment:
            assert failed, "no chunk was begun that could not be read again"
            return


@pytest.mark.parametrize("old", [False, True])
async def test_a_chunk_is_bounded_in_bytes(bench: Bench, old: bool) -> None:
    data = msgspec.Raw(b'"' + b"x" * (250 * 1024) + b'"')
    await bench.log.append([an_event(data=data) for _ in range(40)])
    if old:
        await given_up(bench)
    id_ = await bench.begin(Kind.REPLAY, **SPAN, mode="force")
    commit, chunks = bench.jobs.commit, []
    page, pages = bench.store.page, [0]

    async def noting(job: Job, lease: UUID) -> State:
        if job.progress.chunk is not None:
            chunks.append(len(job.progress.chunk.intent["names"]))
        return await commit(job, lease)

    async def paging(*given: Any, **named: Any) -> list[StoredEvent]:
        found = await page(*given, **named)
        pages.append(len(found) if named["limit"] <= 1000 else 0)  # counting in memory takes all
        return found

    with pytest.MonkeyPatch.context() as patch:  # nobody outside is told how large a chunk is
        patch.setattr(bench.jobs, "commit", noting)
        patch.setattr(bench.store, "page", paging)
        job = await bench.run(id_)
    assert (job.state, job.progress.done, sum(chunks)) == (State.DONE, 40, 40)
    assert max(chunks) <= 17
    assert max(pages) <= 17


@pytest.mark.parametrize("mode", ["if_missing", "force"])
async def test_only_the_tenants_own_events_are_counted(bench: Bench, mode: str) -> None:
    others = [an_event(tenant="somebody-else") for _ in range(5)]
    await bench.log.append([*others, an_event(), an_event(), an_event(type="other")])
    await bench.store.store(bench.log.records())
    job = await replay(bench, mode=mode, filter={"type": "test.made"})
    assert (job.progress.total, job.progress.looked) == (2, 2)


async def test_where_nobody_has_counted_there_is_no_total(bench: Bench) -> None:
    await bench.log.append([an_event(subject="a")])
    assert (await replay(bench, mode="force", filter={"subject": "a"})).progress.total is None
    await given_up(bench)
    assert (await replay(bench)).progress.total is None


async def test_an_event_whose_receivers_clock_is_ahead_of_the_logs_is_found(bench: Bench) -> None:
    bench.clock.moment = MOMENT - timedelta(seconds=30)
    await bench.log.append([an_event("ahead")])
    bench.clock.moment = MOMENT
    assert (await replay(bench)).progress.result["sample"] == ["ahead"]
