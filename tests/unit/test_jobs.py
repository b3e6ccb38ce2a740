"""What a step does with a job, whatever its kind."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from shared.adapters.memory.jobs import MemoryWake
from shared.deadletters.model import NewLetter, Scope
from shared.deadletters.model import State as Settled
from shared.events.envelope import decode, encode
from shared.jobs.engine import LATE_SECONDS, LEASE_SECONDS, Stepped
from shared.jobs.model import Job, Kind, Progress, State
from shared.jobs.sweep import Sweep
from shared.jobs.work import Finished, Moved, Plan, Wait
from shared.kit.deadline import Deadline
from shared.kit.errors import Unavailable
from tests.fixtures.events import MOMENT, an_event
from tests.fixtures.jobs import Bench, Fuse, Killed, a_job
from tests.fixtures.letters import a_change, a_letter
from tests.fixtures.types import a_version


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def bury(bench: Bench, number: int, **changes: Any) -> list[str]:
    """So many letters of events, which died one a second until now. Their ids."""
    letters = [a_letter(1 + place - number, value=encode(an_event(**changes)), attempts=3) for place in range(number)]
    await bench.letters.bury([NewLetter(letter=letter, type="test.made") for letter in letters])
    return [str(letter.id) for letter in letters]


async def test_an_event_that_nobody_would_keep_stays_a_letter_and_is_named(bench: Bench) -> None:
    (old,) = await bury(bench, 1, received_at=MOMENT - timedelta(days=32))
    (kept,) = await bury(bench, 1, received_at=MOMENT - timedelta(days=32), type="kept.long")
    await bench.types.add("tests", a_version("kept.long", retention_days=40))
    job = await bench.run(await bench.begin(Kind.REDRIVE, ids=[old, kept]))
    assert [record.event.type for record in bench.log.records()] == ["kept.long"]
    assert (job.progress.done, job.progress.failed, job.progress.result["expired_letters"]) == (1, 1, [old])
    (left,) = await bench.letters.some(Scope("tests"), [UUID(old)])
    assert left.state is Settled.DEAD


async def test_a_redriven_event_is_what_it_was_and_says_that_it_comes_again(bench: Bench) -> None:
    event = an_event(waiter="somebody", partition_key="key")
    letter = a_letter(value=encode(event), attempts=3)
    await bench.letters.bury([NewLetter(letter=letter)])
    id_ = await bench.begin(Kind.REDRIVE, ids=[str(letter.id)])
    job = await bench.run(id_)
    (record,) = bench.log.records()
    assert record.event == replace(event, waiter=None, redriven_at=MOMENT, attempts=3, job=f"{id_}:{letter.id}")
    assert (job.state, job.progress.total, job.progress.done) == (State.DONE, 1, 1)
    assert bench.letters.letters[letter.id].settled_by == id_


async def test_an_edited_letter_is_redriven_as_it_was_edited(bench: Bench) -> None:
    letter, mended = a_letter(value=b"no event"), an_event()
    await bench.letters.bury([NewLetter(letter=letter)])
    await bench.letters.edit(Scope("tests"), letter.id, a_change(encode(mended)), expected=0)
    await bench.run(await bench.begin(Kind.REDRIVE))
    assert bench.names() == [mended.id]


async def test_a_letter_that_claims_to_be_another_tenants_event_stays_dead(bench: Bench) -> None:
    (letter,) = await bury(bench, 1, tenant="somebody-else")
    job = await bench.run(await bench.begin(Kind.REDRIVE))
    assert (bench.names(), job.progress.failed, job.progress.result["failed_letters"]) == ([], 1, [letter])
    assert [each.state for each in bench.letters.letters.values()] == [Settled.DEAD]


async def test_letters_of_an_erased_subject_stay_where_they_are(bench: Bench) -> None:
    await bury(bench, 1, subject="gone")
    await bench.erasures.note("tests", "gone", MOMENT, uuid4())
    job = await bench.run(await bench.begin(Kind.REDRIVE))
    assert (bench.names(), job.progress.skipped) == ([], 1)
    assert [each.state for each in bench.letters.letters.values()] == [Settled.DEAD]


async def test_what_came_after_the_erasure_is_redriven(bench: Bench) -> None:
    await bury(bench, 1, subject="gone", received_at=MOMENT + timedelta(seconds=1))
    await bench.erasures.note("tests", "gone", MOMENT, uuid4())
    job = await bench.run(await bench.begin(Kind.REDRIVE))
    assert (len(bench.names()), job.progress.done) == (1, 1)


@pytest.mark.parametrize("kind", [Kind.REDRIVE, Kind.DISCARD])
async def test_a_dry_run_counts_and_changes_nothing(bench: Bench, kind: Kind) -> None:
    letters = await bury(bench, 12)
    job = await bench.run(await bench.begin(kind, dry_run=True))
    assert (job.state, job.progress.total, job.progress.done) == (State.DONE, 12, 12)
    assert job.progress.result == {"sample": letters[:10]}
    assert bench.names() == []
    assert {each.state for each in bench.letters.letters.values()} == {Settled.DEAD}


async def test_a_filter_takes_what_it_fits(bench: Bench) -> None:
    await bury(bench, 3)
    other = a_letter(value=encode(an_event("other")))
    await bench.letters.bury([NewLetter(letter=other, type="other")])
    job = await bench.run(await bench.begin(Kind.REDRIVE, filter={"type": "other"}))
    assert (job.progress.total, bench.names()) == (1, ["other"])


@pytest.mark.parametrize("kind", [Kind.REDRIVE, Kind.DISCARD])
async def test_letters_that_died_after_the_job_was_asked_for_are_none_of_its(bench: Bench, kind: Kind) -> None:
    await bury(bench, 4)
    id_ = await bench.begin(kind, rate=2)
    await bench.once(id_, seconds=13)
    late = a_letter(1, value=encode(an_event("died again")))
    await bench.letters.bury([NewLetter(letter=late)])
    job = await bench.run(id_)
    assert (job.state, job.progress.looked, job.progress.total) == (State.DONE, 4, 4)
    assert bench.letters.letters[late.id].state is Settled.DEAD
    assert "died again" not in bench.names()


async def test_a_filter_that_ends_before_the_job_was_asked_for_ends_there(bench: Bench) -> None:
    letters = await bury(bench, 3)
    job = await bench.run(await bench.begin(Kind.DISCARD, filter={"until": MOMENT.isoformat()}))
    assert (job.progress.done, job.progress.result["sample"]) == (2, letters[:2])


async def test_letters_that_are_not_there_or_another_tenants_are_skipped(bench: Bench) -> None:
    foreign = a_letter(tenant="somebody-else", value=encode(an_event(tenant="somebody-else")))
    await bench.letters.bury([NewLetter(letter=foreign)])
    job = await bench.run(await bench.begin(Kind.REDRIVE, ids=[str(foreign.id), str(uuid4())]))
    assert (bench.names(), job.progress.skipped, job.progress.looked) == ([], 2, 2)


async def test_a_rate_holds_across_steps(bench: Bench) -> None:
    await bury(bench, 20)
    id_ = await bench.begin(Kind.REDRIVE, rate=4)
    before = bench.clock.moment
    while (stepped := await bench.once(id_, seconds=13)).state is State.RUNNING:
        assert stepped.chunks == 1, "there was no time for more than what was due at once"
        _, after = bench.wake.woken[-1]
        assert 0 < after <= 1
        bench.clock.moment += timedelta(seconds=after)
    assert (bench.clock.moment - before).total_seconds() == 5.0
    progress = bench.jobs.jobs[id_].progress
    assert (progress.seconds, progress.per_second, progress.seconds_left) == (5.0, 4.0, 0)


async def test_a_job_tells_how_long_it_will_take(bench: Bench) -> None:
    await bury(bench, 20)
    id_ = await bench.begin(Kind.REDRIVE, rate=2)
    await bench.once(id_, seconds=13)
    progress = bench.jobs.jobs[id_].progress
    assert (progress.looked, progress.total, progress.seconds_left) == (2, 20, 9.0)


async def test_a_paused_job_stands_still_until_it_is_resumed(bench: Bench) -> None:
    await bury(bench, 10)
    id_ = await bench.begin(Kind.REDRIVE, rate=2)
    await bench.once(id_, seconds=13)
    await bench.jobs.steer("tests", id_, State.PAUSED, since={State.RUNNING})
    assert await bench.once(id_) == Stepped(id_)
    assert len(bench.names()) == 2
    await bench.jobs.steer("tests", id_, State.QUEUED, since={State.PAUSED})
    assert (await bench.run(id_)).progress.done == len(bench.names()) == 10


async def test_a_job_that_is_cancelled_at_work_stops_at_the_next_chunk(bench: Bench) -> None:
    await bury(bench, 10)
    id_ = await bench.begin(Kind.REDRIVE, rate=2)

    async def cancelling(_: float) -> None:
        await bench.jobs.steer("tests", id_, State.CANCELLED, since={State.RUNNING})

    bench._sleep = cancelling  # type: ignore[assignment, method-assign]  # it sleeps for its rate: then somebody cancels
    stepped = await bench.once(id_)
    assert stepped.state is State.CANCELLED
    assert len(bench.names()) == bench.jobs.jobs[id_].progress.done <= 4
    assert bench.wake.woken == []


async def test_two_steps_of_one_job_do_not_work_at_once(bench: Bench) -> None:
    id_ = await bench.begin(Kind.REDRIVE)
    await bench.jobs.claim(id_, uuid4(), seconds=LEASE_SECONDS)
    assert await bench.once(id_) == Stepped(id_)
    assert bench.wake.woken == []


async def test_while_the_log_is_away_a_job_waits_longer_and_longer_and_then_goes_on(bench: Bench) -> None:
    await bury(bench, 3)
    id_ = await bench.begin(Kind.REDRIVE)
    bench.log.away = True
    for _ in range(12):
        assert (await bench.due(id_)).state is State.RUNNING
    pauses = [after for _, after in bench.wake.woken]
    assert pauses == sorted(pauses)
    assert (pauses[0] < pauses[-1], pauses[-1]) == (True, 300.0)
    bench.log.away = False
    assert (await bench.run(id_)).progress.done == len(bench.names()) == 3


async def test_an_answer_that_was_lost_does_not_bring_an_event_twice(bench: Bench) -> None:
    await bury(bench, 3)
    id_ = await bench.begin(Kind.REDRIVE)
    append = bench.log._append

    def silent(event: Any) -> Any:
        append(event)
        raise Unavailable("The log has it, and nobody heard of it.")

    bench.log._append = silent  # type: ignore[method-assign]
    await bench.once(id_)
    bench.log._append = append  # type: ignore[method-assign]
    assert (await bench.run(id_)).progress.done == len(bench.names()) == 3


async def begun_and_silent(bench: Bench, number: int = 3, rate: int = 1000) -> UUID:
    """A redrive whose appends nobody hears of again. The log has none of them yet."""
    await bury(bench, number)
    id_ = await bench.begin(Kind.REDRIVE, rate=rate)
    bench.log._append = silent  # type: ignore[method-assign]
    await bench.once(id_)
    del bench.log._append
    return id_


def silent(event: Any) -> Any:
    raise Unavailable("Nobody heard of it.")


def arrive(bench: Bench, job: UUID, places: slice = slice(None)) -> None:
    """What was sent for `job` comes into the log late."""
    chunk = bench.jobs.jobs[job].progress.chunk
    assert chunk is not None
    for letter in chunk.intent["letters"][places]:
        event = decode(bench.letters.letters[UUID(letter)].value)
        bench.log._append(replace(event, job=f"{job}:{letter}"))


@pytest.mark.parametrize("is_resumed", [False, True], ids=["left alone", "paused and resumed"])
async def test_what_arrives_late_is_there_before_anybody_looks(bench: Bench, is_resumed: bool) -> None:
    id_ = await begun_and_silent(bench)
    sent_at = bench.clock.moment
    if is_resumed:
        await bench.jobs.steer("tests", id_, State.PAUSED, since={State.RUNNING})
        await bench.jobs.steer("tests", id_, State.QUEUED, since={State.PAUSED})
    bench.clock.moment = sent_at + timedelta(seconds=LATE_SECONDS - 1)
    await bench.once(id_)
    assert bench.names() == [], "it is not the time to look, let alone to append"
    arrive(bench, id_)
    job = await bench.run(id_)
    assert (job.state, job.progress.done, len(bench.names())) == (State.DONE, 3, 3)
    assert bench.clock.moment >= sent_at + timedelta(seconds=LATE_SECONDS)


async def test_what_a_killed_step_may_have_sent_in_its_last_moment_arrives_before_anybody_looks(bench: Bench) -> None:
    await bury(bench, 3)
    id_ = await bench.begin(Kind.REDRIVE)
    with pytest.raises(Killed):
        await bench.step(Fuse(15))(id_, Deadline(58))
    chunk, began = bench.jobs.jobs[id_].progress.chunk, bench.clock.moment
    assert chunk is not None
    assert chunk.again_at is not None
    assert (chunk.again_at - began).total_seconds() > 57 + LATE_SECONDS
    bench.clock.moment += timedelta(seconds=LEASE_SECONDS)
    assert (await bench.once(id_)).chunks == 0
    arrive(bench, id_)
    assert ((await bench.run(id_)).progress.done, len(bench.names())) == (3, 3)


async def test_waiting_for_what_is_late_is_no_stall(bench: Bench) -> None:
    id_ = await begun_and_silent(bench)
    before = bench.jobs.jobs[id_]
    for _ in range(60):
        await bench.once(id_)
    after = bench.jobs.jobs[id_]
    assert (after.state, after.stalls) == (before.state, before.stalls) == (State.RUNNING, 0)


async def test_where_the_log_has_given_up_what_was_appended_then_the_rest_is_looked_through(bench: Bench) -> None:
    id_ = await begun_and_silent(bench)
    await bench.log.append([an_event("another's", partition_key=str(number)) for number in range(30)])
    bench.reader.first = await bench.reader.ends()
    arrive(bench, id_, slice(1))
    job = await bench.run(id_)
    mine = [record for record in bench.log.records() if record.event.job is not None]
    assert (job.state, job.progress.done, len(mine)) == (State.DONE, 3, 3)


async def test_what_cannot_be_looked_through_at_once_is_looked_through_piece_by_piece(bench: Bench) -> None:
    bench.look_seconds = 0.0
    id_ = await begun_and_silent(bench)
    arrive(bench, id_, slice(1))
    await bench.log.append([an_event("another's", partition_key="one") for _ in range(3500)])
    arrive(bench, id_, slice(1, 2))
    bench.clock.moment += timedelta(seconds=LATE_SECONDS)
    places = []
    for _ in range(10):
        chunk = bench.jobs.jobs[id_].progress.chunk
        if chunk is None:
            break
        places.append(sum(chunk.intent["ends"].values()))
        await bench.due(id_)
    assert len(places) > 3
    assert places == sorted(set(places)), "each step goes on where the last one was"
    mine = [record for record in bench.log.records() if record.event.job is not None]
    assert (bench.jobs.jobs[id_].progress.done, len(mine)) == (3, 3)


async def nowhere(bench: Bench, job: UUID) -> Job:
    """Steps that all find the log silent, until nobody is woken any more."""
    bench.log._append = silent  # type: ignore[method-assign]
    for _ in range(120):
        bench.wake.woken.clear()
        await bench.due(job)
        if not bench.wake.woken:
            break
    del bench.log._append
    return bench.jobs.jobs[job]


async def test_a_cancelled_job_that_gets_nowhere_lets_go_of_its_letters_and_is_woken_no_more(bench: Bench) -> None:
    id_ = await begun_and_silent(bench)
    await bench.jobs.steer("tests", id_, State.CANCELLED, since={State.RUNNING})
    job = await nowhere(bench, id_)
    assert (job.state, job.progress.chunk, bench.wake.woken) == (State.CANCELLED, None, [])
    assert "Of the 3 items that it had begun last it is not known which are done." in (job.progress.message or "")
    assert {each.state for each in bench.letters.letters.values()} == {Settled.DEAD}
    bench.clock.moment += timedelta(days=1)
    assert await bench.jobs.overdue(seconds=0, limit=10) == []


async def test_a_job_that_fails_with_something_begun_says_so_and_ends_it_when_it_is_resumed(bench: Bench) -> None:
    id_ = await begun_and_silent(bench)
    arrive(bench, id_, slice(1))
    job = await nowhere(bench, id_)
    assert job.state is State.FAILED
    assert "Of the 3 items that it had begun last it is not known which are done." in (job.progress.message or "")
    assert {each.state for each in bench.letters.letters.values()} == {Settled.REDRIVEN}
    await bench.jobs.steer("tests", id_, State.QUEUED, since={State.FAILED})
    assert ((await bench.run(id_)).progress.done, len(bench.names())) == (3, 3)


async def test_a_paused_job_that_cannot_end_what_it_had_begun_fails(bench: Bench) -> None:
    id_ = await begun_and_silent(bench)
    await bench.jobs.steer("tests", id_, State.PAUSED, since={State.RUNNING})
    job = await nowhere(bench, id_)
    assert (job.state, job.progress.chunk is None) == (State.FAILED, False)
    assert await bench.jobs.overdue(seconds=0, limit=10) == []


async def test_a_slow_job_does_not_sleep_through_its_step(bench: Bench) -> None:
    await bury(bench, 10)
    id_ = await bench.begin(Kind.REDRIVE, rate=1)
    before = bench.clock.moment
    assert (await bench.once(id_)).chunks == 4
    assert (bench.clock.moment - before).total_seconds() == 3.0
    assert bench.wake.woken == [(id_, 1.0)]


async def test_a_job_that_gets_nowhere_fails_and_can_be_resumed(bench: Bench) -> None:
    await bury(bench, 1)
    id_ = await bench.begin(Kind.REDRIVE)
    bench.letters.away = True
    job = await bench.run(id_)
    assert (job.state, job.progress.message is None) == (State.FAILED, False)
    bench.letters.away = False
    await bench.jobs.steer("tests", id_, State.QUEUED, since={State.FAILED})
    assert (await bench.run(id_)).state is State.DONE


class _Waiting:
    """Work that waits once."""

    async def plan(self, job: Job) -> Plan:
        return Plan({"waited": False})

    async def look(self, job: Job, limit: int) -> Wait | Finished:
        waited = (job.progress.cursor or {})["waited"]
        return Finished({"end": True}, spec={}) if waited else Wait(40, "For them.", {"waited": True})

    async def carry_out(self, job: Job, intent: dict[str, Any], *, again: bool) -> Moved:
        raise AssertionError("there are no chunks")


async def test_work_that_has_to_wait_is_woken_then_and_says_what_for(bench: Bench) -> None:
    id_ = await bench.begin(Kind.ERASURE, subject="s")
    step = bench.step(works={Kind.ERASURE: _Waiting()})
    await step(id_, Deadline(60))
    assert bench.wake.woken == [(id_, 40)]
    assert bench.jobs.jobs[id_].progress == Progress(cursor={"waited": True}, message="For them.")
    bench.clock.moment += timedelta(seconds=40)
    await step(id_, Deadline(60))
    ended = bench.jobs.jobs[id_]
    assert (ended.state, ended.spec, ended.progress.result) == (State.DONE, {}, {"end": True})


async def test_a_job_that_is_paused_in_its_last_moment_keeps_what_it_still_needs(bench: Bench) -> None:
    id_ = await bench.begin(Kind.ERASURE, subject="s")
    work, commit = _Waiting(), bench.jobs.commit
    await bench.step(works={Kind.ERASURE: work})(id_, Deadline(60))

    async def steered(job: Job, lease: UUID) -> State:
        await bench.jobs.steer("tests", id_, State.PAUSED, since={State.RUNNING})
        return await commit(job, lease)

    bench.jobs.commit = steered  # type: ignore[method-assign]
    bench.clock.moment += timedelta(seconds=40)
    await bench.step(works={Kind.ERASURE: work})(id_, Deadline(60))
    bench.jobs.commit = commit  # type: ignore[method-assign]
    paused = bench.jobs.jobs[id_]
    assert (paused.state, paused.spec) == (State.PAUSED, {"subject": "s"})
    await bench.jobs.steer("tests", id_, State.QUEUED, since={State.PAUSED})
    await bench.step(works={Kind.ERASURE: work})(id_, Deadline(60))
    assert (bench.jobs.jobs[id_].state, bench.jobs.jobs[id_].spec) == (State.DONE, {})


class _Broken(_Waiting):
    """Work that has a mistake in it."""

    async def look(self, job: Job, limit: int) -> Wait | Finished:
        raise RuntimeError("nobody foresaw this")


async def test_an_error_that_nobody_foresaw_is_tried_again_and_then_said(bench: Bench) -> None:
    id_ = await bench.begin(Kind.ERASURE)
    assert (await bench.step(works={Kind.ERASURE: _Broken()})(id_, Deadline(60))).state is State.RUNNING
    assert bench.wake.woken[0][1] > 0
    for _ in range(60):
        await bench.step(works={Kind.ERASURE: _Broken()})(id_, Deadline(60))
    failed = bench.jobs.jobs[id_]
    assert (failed.state, failed.progress.message is None) == (State.FAILED, False)


async def test_where_nobody_can_be_told_to_go_on_the_step_says_so(bench: Bench) -> None:
    await bury(bench, 10)
    id_ = await bench.begin(Kind.REDRIVE, rate=2)
    bench.wake.away = True
    with pytest.raises(Unavailable):
        await bench.once(id_, seconds=13)
    bench.wake.away = False
    assert (await bench.run(id_)).progress.done == len(bench.names()) == 10


async def test_the_sweep_wakes_what_nobody_has_woken_and_leaves_the_rest_alone() -> None:
    bench, wake = Bench(), MemoryWake()
    lost, done, held = a_job(), a_job(state=State.DONE), a_job()
    late = a_job(due_at=MOMENT + timedelta(minutes=4))
    for job in (lost, done, held, late):
        await bench.jobs.create(job)
    bench.clock.moment += timedelta(minutes=5)
    await bench.jobs.claim(held.id, uuid4(), seconds=LEASE_SECONDS)
    assert await Sweep(bench.jobs, wake)() == 1
    assert wake.woken == [(lost.id, 0)]
