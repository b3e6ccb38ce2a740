"""A subject's events are gone from wherever they are kept, and nothing else is."""

from datetime import timedelta
from itertools import count
from typing import Any
from uuid import uuid4

import pytest

from shared.access.model import Principal
from shared.adapters.memory.spool import MemorySpool
from shared.deadletters.model import NewLetter, Scope
from shared.deadletters.model import State as LetterState
from shared.events.envelope import encode
from shared.events.model import Event, LogRecord, Position
from shared.events.objects import object_name
from shared.events.ports import EventFilter
from shared.events.query import cache_key
from shared.jobs.engine import WAKEABLE
from shared.jobs.jobs import Jobs, NotNow
from shared.jobs.model import Job, Kind, State
from tests.fixtures.events import MOMENT, an_event
from tests.fixtures.jobs import Bench, Fuse, a_job
from tests.fixtures.letters import a_change, a_letter

GONE = "customer-17"
_LATER = MOMENT + timedelta(seconds=1)
_KEPT: dict[str, dict[str, Any]] = {
    "another subject": {"subject": "customer-18"},
    "no subject": {},
    "received after": {"subject": GONE, "received_at": _LATER},
    "another tenant": {"subject": GONE, "tenant": "somebody-else"},
}


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def filled(bench: Bench) -> None:
    """Six events of the subject in storage, two in the spool and two dead; and some that are to be kept everywhere."""
    others = [an_event(name, **fields) for name, fields in _KEPT.items()]
    gone = [an_event(f"gone-{number}", subject=GONE) for number in range(6)]
    records = [LogRecord(event, Position(0, offset)) for offset, event in enumerate([*gone, *others])]
    await bench.store.store(records)
    for event in [*gone, *others]:
        for source in (event.source, None):
            await bench.cache.put(cache_key(event.tenant, event.id, source), b"{}", ttl_seconds=60)
    mine = [an_event("spooled-1", subject=GONE), an_event("spooled-2", subject=GONE)]
    await bench.spool.put(object_name("1"), [mine[0], others[0], mine[1], others[2]], within=1)
    await bench.spool.put(object_name("2"), [others[3]], within=1)
    await bench.spool.put(object_name("3"), [an_event("spooled-3", subject=GONE)], within=1)
    letters = [a_letter(value=encode(each), tenant=each.tenant, timestamp_ms=_ms(each)) for each in [*others, *mine]]
    subjects = [each.subject for each in [*others, *mine]]
    await bench.letters.bury(
        [NewLetter(letter=letter, subject=subject) for letter, subject in zip(letters, subjects, strict=True)]
    )


def _ms(event: Any) -> int:
    return int(event.received_at.timestamp() * 1000)


async def nothing_is_left(bench: Bench) -> None:
    """Nothing of the subject, and all of what is to be kept."""
    names = {"tests": sorted([*_KEPT][:3]), "somebody-else": [*_KEPT][3:]}
    for tenant, kept in names.items():
        rows = await bench.store.page(tenant, EventFilter(), after=None, limit=100, descending=False)
        assert sorted(row.event.id for row in rows) == kept
    objects = {name: [event.id for event in events] for name, events in bench.spool.objects.items()}
    assert objects == {
        object_name("1"): ["another subject", "received after"],
        object_name("2"): ["another tenant"],
    }
    assert len(bench.letters.letters) == len(_KEPT)
    assert {each.letter.tenant for each in bench.letters.letters.values()} == {"tests", "somebody-else"}
    assert await bench.cache.get(cache_key("tests", "gone-1", "/tests")) is None
    assert await bench.cache.get(cache_key("tests", "gone-1", None)) is None
    assert await bench.cache.get(cache_key("tests", "no subject", None)) == b"{}"


async def erase(bench: Bench, subject: str = GONE) -> Job:
    return await bench.run(await bench.begin(Kind.ERASURE, subject=subject))


async def test_all_of_a_subject_is_removed_and_a_proof_is_left(bench: Bench) -> None:
    await filled(bench)
    job = await erase(bench)
    await nothing_is_left(bench)
    digest = bench.erasures.digest("tests", GONE)
    assert job.state is State.DONE
    assert job.progress.result == {
        "subject_hash": digest,
        "removed": {"spooled_events": 3, "rows": 6, "dead_letters": 2},
        "left": {"spooled_events": 0, "rows": 0, "dead_letters": 0},
        "asked_by": "somebody",
        "asked_at": MOMENT.isoformat(),
        "verified_at": bench.clock.moment.isoformat(),
        "log_keeps_until": {"events": (bench.clock.moment + timedelta(days=8, hours=1)).isoformat()},
    }
    assert GONE not in str(job), "the subject stands nowhere, not even in what was asked"
    assert job.spec == {"subject_hash": digest}


async def test_an_erasure_that_is_killed_at_any_moment_removes_all_and_counts_it_once() -> None:
    for moment in count():
        bench, fuse = Bench(), Fuse(moment)
        await filled(bench)
        job = await bench.run(await bench.begin(Kind.ERASURE, subject=GONE), fuse)
        await nothing_is_left(bench)
        assert job.progress.result["removed"] == {"spooled_events": 3, "rows": 6, "dead_letters": 2}
        assert (job.state, GONE in str(job)) == (State.DONE, False)
        if fuse.passed <= moment:
            assert moment > 100, "there were no moments to speak of"
            return


async def test_a_subject_that_nobody_knows_has_a_proof_too(bench: Bench) -> None:
    job = await erase(bench, "nobody")
    assert (job.state, job.progress.result["removed"]["rows"]) == (State.DONE, 0)


async def test_what_is_on_its_way_is_waited_for_and_removed(bench: Bench) -> None:
    await bench.log.append([an_event("late", subject=GONE)])
    bench.consumers.committed = {}
    id_ = await bench.begin(Kind.ERASURE, subject=GONE)
    for _ in range(6):
        bench.clock.moment = max(bench.clock.moment, bench.jobs.jobs[id_].due_at)
        await bench.once(id_)
    waiting = bench.jobs.jobs[id_]
    assert (waiting.state, waiting.progress.message) == (
        State.RUNNING,
        "For 1 records of events that are not stored yet.",
    )
    await bench.store.store(bench.log.records())
    bench.consumers.committed = dict.fromkeys(range(12), 1)
    job = await bench.run(id_)
    assert (job.state, job.progress.result["removed"]["rows"]) == (State.DONE, 1)


async def test_a_consumer_that_never_comes_fails_the_job_which_can_be_resumed(bench: Bench) -> None:
    await bench.log.append([an_event("late", subject=GONE)])
    bench.consumers.committed = {}
    id_ = await bench.begin(Kind.ERASURE, subject=GONE)
    for _ in range(10):
        await bench.once(id_)
        bench.clock.moment += timedelta(hours=2)
    failed = bench.jobs.jobs[id_]
    assert (failed.state, "Resume it" in (failed.progress.message or "")) == (State.FAILED, True)
    assert failed.spec == {"subject": GONE}


async def test_what_is_stored_behind_its_back_is_found_in_the_next_round(bench: Bench) -> None:
    id_ = await bench.begin(Kind.ERASURE, subject=GONE)
    await filled(bench)
    late = LogRecord(an_event("late", subject=GONE), Position(1, 1))
    while bench.jobs.jobs[id_].progress.message != "For cached answers to end.":
        bench.clock.moment = max(bench.clock.moment, bench.jobs.jobs[id_].due_at)
        await bench.once(id_)
    await bench.store.store([late])
    job = await bench.run(id_)
    await nothing_is_left(bench)
    assert job.progress.result["removed"]["rows"] == 7


async def test_letters_that_were_the_subjects_before_an_edit_are_removed_with_their_edits(bench: Bench) -> None:
    letter = a_letter(value=encode(an_event(subject=GONE)))
    await bench.letters.bury([NewLetter(letter=letter, subject=GONE)])
    await bench.letters.edit(Scope("tests"), letter.id, a_change(subject="other"), expected=0)
    await erase(bench)
    assert bench.letters.letters == {}


async def test_what_was_asked_of_jobs_that_are_over_names_the_subject_no_more(bench: Bench) -> None:
    over = a_job(Kind.REPLAY, state=State.DONE, spec={"filter": {"subject": GONE}})
    other = a_job(Kind.REPLAY, state=State.DONE, spec={"filter": {"subject": "other"}})
    foreign = a_job(tenant="somebody-else", state=State.DONE, spec={"subject": GONE})
    for job in (over, other, foreign):
        await bench.jobs.create(job)
    await erase(bench)
    nameless = {"filter": {"subject": bench.erasures.digest("tests", GONE)}}
    assert [bench.jobs.jobs[job.id].spec for job in (over, other, foreign)] == [nameless, other.spec, foreign.spec]


@pytest.mark.parametrize("state", [State.FAILED, State.PAUSED])
async def test_what_named_the_subject_never_comes_to_mean_more(bench: Bench, state: State) -> None:
    await bench.letters.bury([NewLetter(letter=a_letter(value=encode(an_event())))])
    stopped = a_job(Kind.DISCARD, state=state, spec={"filter": {"subject": GONE}, "dry_run": True, "rate": 1})
    await bench.jobs.create(stopped)
    await erase(bench)
    kept = bench.jobs.jobs[stopped.id]
    assert (kept.state, kept.is_dry, kept.rate, GONE in str(kept)) == (State.CANCELLED, True, 1, False)
    with pytest.raises(NotNow):
        await Jobs(bench.jobs, bench.wake, bench.clock).steer(Principal("somebody", "tests"), stopped.id, "resume")
    # Even where somebody makes it go on by hand.
    await bench.jobs.steer("tests", stopped.id, State.QUEUED, since=[State.CANCELLED])
    assert (await bench.run(stopped.id)).progress.looked == 0
    assert {each.state for each in bench.letters.letters.values()} == {LetterState.DEAD}


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING])
async def test_a_job_at_work_that_names_the_subject_is_waited_for(bench: Bench, state: State) -> None:
    older = a_job(Kind.REPLAY, state=state, spec={"filter": {"subject": GONE}})
    await bench.jobs.create(older)
    id_ = await bench.begin(Kind.ERASURE, subject=GONE)
    younger = a_job(Kind.REPLAY, state=state, spec={"filter": {"subject": GONE}})
    await bench.jobs.create(younger)
    waiting = await bench.run(id_)
    assert (waiting.state, "1 older jobs" in str(waiting.progress.message)) == (State.RUNNING, True)
    await bench.jobs.steer("tests", older.id, State.CANCELLED, since=[state])
    assert (await bench.run(id_)).state is State.DONE
    assert GONE not in str(bench.jobs.jobs[older.id])
    assert bench.jobs.jobs[younger.id] == younger


async def test_a_job_at_work_that_never_ends_fails_the_erasure_which_can_be_resumed(bench: Bench) -> None:
    older = a_job(Kind.REPLAY, state=State.RUNNING, spec={"filter": {"subject": GONE}})
    await bench.jobs.create(older)
    id_ = await bench.begin(Kind.ERASURE, subject=GONE)
    while bench.jobs.jobs[id_].state in WAKEABLE:
        await bench.once(id_)
        bench.clock.moment += timedelta(hours=2)
    failed = bench.jobs.jobs[id_]
    assert (failed.state, failed.spec) == (State.FAILED, {"subject": GONE})
    await bench.jobs.steer("tests", older.id, State.CANCELLED, since={State.RUNNING})
    await bench.jobs.steer("tests", id_, State.QUEUED, since={State.FAILED})
    assert (await bench.run(id_)).state is State.DONE
    assert GONE not in repr(bench.jobs.jobs)


@pytest.mark.parametrize("kind", [Kind.REDRIVE, Kind.DISCARD])
async def test_what_was_asked_without_ids_and_filter_is_no_letter_at_all(bench: Bench, kind: Kind) -> None:
    await bench.letters.bury([NewLetter(letter=a_letter(value=encode(an_event())))])
    job = a_job(kind, spec={})
    await bench.jobs.create(job)
    await bench.once(job.id)
    assert {each.state for each in bench.letters.letters.values()} == {LetterState.DEAD}


async def test_from_then_on_a_replay_does_not_bring_the_subject_back(bench: Bench) -> None:
    await bench.log.append([an_event("late", subject=GONE)])
    await erase(bench)
    span = {"from": MOMENT.isoformat(), "to": _LATER.isoformat()}
    job = await bench.run(await bench.begin(Kind.REPLAY, **span))
    assert (job.progress.done, job.progress.skipped) == (0, 1)


async def test_an_object_that_nobody_can_read_stops_nothing(bench: Bench) -> None:
    await bench.spool.put(object_name("1"), [], within=1)
    bench.spool.unreadable.append(object_name("1"))
    assert (await erase(bench)).state is State.DONE
    assert [*bench.spool.objects] == [object_name("1")]


async def test_a_second_erasure_of_one_subject_reaches_further(bench: Bench) -> None:
    await erase(bench)
    bench.clock.moment = _LATER + timedelta(hours=1)
    await bench.store.store([LogRecord(an_event("later", subject=GONE, received_at=_LATER), Position(0, 1))])
    job = a_job(Kind.ERASURE, spec={"subject": GONE}, created_at=bench.clock.moment)
    await bench.jobs.create(job)
    assert (await bench.run(job.id)).progress.result["removed"]["rows"] == 1
    assert (await bench.erasures.asked("tests", [GONE, str(uuid4())])) == {GONE: job.created_at}


async def test_pausing_and_resuming_cuts_no_wait(bench: Bench) -> None:
    id_ = await bench.begin(Kind.ERASURE, subject=GONE)
    for _ in range(30):
        await bench.once(id_)
        await bench.jobs.steer("tests", id_, State.PAUSED, since={State.RUNNING})
        await bench.jobs.steer("tests", id_, State.QUEUED, since={State.PAUSED})
    assert bench.jobs.jobs[id_].progress.message == "For what is on its way into the log."
    job = await bench.run(id_)
    assert job.state is State.DONE
    assert bench.clock.moment >= MOMENT + timedelta(seconds=125 + 45)


async def test_a_key_whose_spooled_events_are_gone_goes_straight_to_the_log_again(bench: Bench) -> None:
    mine, other = an_event("spooled", subject=GONE, partition_key="mine"), an_event("other", partition_key="other")
    name = object_name("1")
    await bench.spool.put(name, [mine, other], within=1)
    await bench.admission.enter("tests", ["mine", "other"], spooled=name)
    job = await bench.run(await bench.begin(Kind.ERASURE, subject=GONE))
    assert job.state is State.DONE
    assert bench.spool.objects == {name: [other]}
    assert bench.admission.backlog == {("tests", "other"): name}


class _DrainedAfterALook(MemorySpool):
    """A spool whose objects are brought to the log between a look at one and what comes of it."""

    async def get(self, name: str) -> list[Event]:
        found = await super().get(name)
        if self.prepared:
            await self.remove([name])
        self.prepared = True  # the first look only finds what is there
        return found


async def test_an_object_that_is_drained_meanwhile_does_not_come_back() -> None:
    bench = Bench(spool=_DrainedAfterALook())
    await bench.spool.put(object_name("1"), [an_event("spooled", subject=GONE), an_event("other")], within=1)
    job = await bench.run(await bench.begin(Kind.ERASURE, subject=GONE))
    assert (job.state, bench.spool.objects) == (State.DONE, {})
