"""A step may be killed at any moment: whoever comes after it does each record once, and counts it once."""

from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import count
from uuid import UUID

from shared.deadletters.model import NewLetter, State
from shared.events.envelope import encode
from shared.events.ports import EventFilter
from shared.jobs.model import Job, Kind
from shared.jobs.model import State as JobState
from tests.fixtures.events import MOMENT, an_event
from tests.fixtures.jobs import Bench, Fuse
from tests.fixtures.letters import a_letter

_LETTERS = 5
_POISON = 2  # the place of one that is no event


async def buried(bench: Bench) -> list[UUID]:
    """Letters of events, and one of none."""
    letters = [a_letter(number - _LETTERS, value=encode(an_event(f"event-{number}"))) for number in range(_LETTERS)]
    letters[_POISON] = a_letter(_POISON - _LETTERS, value=b"no event")
    await bench.letters.bury([NewLetter(letter=letter) for letter in letters])
    return [letter.id for letter in letters]


async def killed_everywhere(kind: Kind, **spec: object) -> AsyncIterator[tuple[Bench, Job, list[UUID]]]:
    """A job that was killed once, for every moment at which it can be; and last one that was not."""
    for moment in count():
        bench, fuse = Bench(), Fuse(moment)
        letters = await buried(bench)
        job = await bench.run(await bench.begin(kind, **spec), fuse)
        yield bench, job, letters
        if fuse.passed <= moment:
            assert moment > 20, "there were no moments to speak of"
            return


async def test_a_redrive_that_is_killed_at_any_moment_brings_each_letter_into_the_log_once() -> None:
    wanted = [f"event-{number}" for number in range(_LETTERS) if number != _POISON]
    async for bench, job, letters in killed_everywhere(Kind.REDRIVE, rate=2):
        assert bench.names() == wanted
        assert job.state is JobState.DONE
        progress = job.progress
        assert (progress.looked, progress.done, progress.skipped, progress.failed) == (5, 4, 0, 1)
        assert progress.result["failed_letters"] == [str(letters[_POISON])]
        states = [bench.letters.letters[letter].state for letter in letters]
        assert [state is State.REDRIVEN for state in states] == [number != _POISON for number in range(_LETTERS)]
        assert states[_POISON] is State.DEAD


async def test_a_discard_that_is_killed_at_any_moment_counts_each_letter_once() -> None:
    async for bench, job, letters in killed_everywhere(Kind.DISCARD, rate=2):
        assert (job.state, job.progress.done, job.progress.looked) == (JobState.DONE, _LETTERS, _LETTERS)
        assert all(bench.letters.letters[letter].state is State.DISCARDED for letter in letters)
        assert bench.names() == []


async def test_what_is_cancelled_after_a_kill_ends_what_it_had_begun_and_nothing_else() -> None:
    for moment in count():
        bench, fuse = Bench(), Fuse(moment)
        letters = await buried(bench)
        id_ = await bench.begin(Kind.REDRIVE, rate=2)

        async def cancelling(bench: Bench = bench, id_: UUID = id_) -> None:
            await bench.jobs.steer("tests", id_, JobState.CANCELLED, since={JobState.QUEUED, JobState.RUNNING})

        job = await bench.run(id_, fuse, after_kill=cancelling)
        redriven = [each for each in letters if bench.letters.letters[each].state is State.REDRIVEN]
        assert len(bench.names()) == len(redriven) == job.progress.done
        assert job.progress.chunk is None
        if fuse.passed <= moment:
            return


SPAN = {"from": MOMENT.isoformat(), "to": (MOMENT + timedelta(hours=1)).isoformat()}


async def replayed(mode: str, *, stored: int, given_up: bool) -> AsyncIterator[tuple[Bench, Job, int]]:
    """A replay of six events that is killed once, for every moment. The log's length before it."""
    for moment in count():
        bench, fuse = Bench(), Fuse(moment)
        events = [an_event(f"event-{number}", received_at=MOMENT + timedelta(seconds=number)) for number in range(6)]
        await bench.log.append([*events, an_event("foreign", tenant="somebody-else")])
        records = [each for each in bench.log.records() if each.event.tenant == "tests"]
        await bench.store.store(records[:stored])
        if given_up:
            bench.reader.first = {partition: len(each) for partition, each in enumerate(bench.log.partitions)}
            bench.clock.moment += timedelta(days=30)
        before = len(bench.names())
        yield bench, await bench.run(await bench.begin(Kind.REPLAY, **SPAN, mode=mode, rate=2), fuse), before
        if fuse.passed <= moment:
            assert moment > 20, "there were no moments to speak of"
            return


async def test_a_replay_that_is_killed_at_any_moment_stores_what_is_missing_and_counts_it_once() -> None:
    async for bench, job, before in replayed("if_missing", stored=2, given_up=False):
        rows = await bench.store.page("tests", EventFilter(), after=None, limit=100, descending=False)
        assert [row.event.id for row in rows] == [f"event-{number}" for number in range(6)]
        assert {row.position: row.event.id for row in rows} == {
            each.position: each.event.id for each in bench.log.records() if each.event.tenant == "tests"
        }
        assert (job.state, job.progress.done, job.progress.skipped) == (JobState.DONE, 4, 2)
        assert (job.progress.looked, job.progress.total) == (6, 2), "the total is what storage had"
        assert len(bench.names()) == before, "nothing is produced"


async def test_a_forced_replay_that_is_killed_at_any_moment_appends_each_event_once() -> None:
    async for bench, job, _ in replayed("force", stored=2, given_up=False):
        assert bench.names() == sorted([*(f"event-{number}" for number in range(6)), *_twice(6), "foreign"])
        assert (job.state, job.progress.done, job.progress.looked) == (JobState.DONE, 6, 6)


async def test_a_replay_from_storage_that_is_killed_at_any_moment_appends_each_event_once() -> None:
    async for bench, job, _ in replayed("force", stored=6, given_up=True):
        assert bench.names() == sorted([*(f"event-{number}" for number in range(6)), *_twice(6), "foreign"])
        assert (job.state, job.progress.done, job.progress.total) == (JobState.DONE, 6, 6)


def _twice(number: int) -> list[str]:
    return [f"event-{each}" for each in range(number)]
