"""A step may be killed at any moment: whoever comes after it does each record once, and counts it once."""

from collections.abc import AsyncIterator
from itertools import count
from uuid import UUID

from shared.deadletters.model import NewLetter, State
from shared.events.envelope import encode
from shared.jobs.model import Job, Kind
from shared.jobs.model import State as JobState
from tests.fixtures.events import an_event
from tests.fixtures.jobs import Bench, Fuse
from tests.fixtures.letters import a_letter

_LETTERS = 5
_POISON = 2  # the place of one that is no event


async def buried(bench: Bench) -> list[UUID]:
    """Letters of events, and one of none."""
    letters = [a_letter(number, value=encode(an_event(f"event-{number}"))) for number in range(_LETTERS)]
    letters[_POISON] = a_letter(_POISON, value=b"no event")
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
