"""One step of a job: as much as fits into one Lambda, so that a kill at any moment does nothing twice.

What a chunk is going to do is committed before it is begun, and what became of it afterwards, both under the lease. So
a step that finds a chunk begun knows what may be done already, and asks the kind to find out. The lease is longer than
a function may run, so whoever had it is dead by the time that another has it (.github/decisions/0009).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import assert_never
from uuid import UUID, uuid4

import msgspec
from msgspec.structs import replace

from shared.jobs.model import Chunk, Job, Kind, State
from shared.jobs.ports import JobStore, Superseded, Wake
from shared.jobs.work import Finished, Wait, Work
from shared.kit.clock import Clock
from shared.kit.deadline import Deadline
from shared.kit.errors import Unavailable

_LOG = logging.getLogger(__name__)

LEASE_SECONDS = 75.0
"""Longer than the function may run. A message of a killed step comes back later still, and finds the lease run out."""

_KEPT_SECONDS = 12.0  # what a chunk may take at worst: 5 to read, 2 to append, and the database's own
_MOST_EVENTS = 500
_MOST_STALLS = 50  # with their pauses four hours: so long a part may be away
_LONGEST_PAUSE = 300.0
_AGAIN_SECONDS = 5.0  # by then a request that had no answer has arrived, or never will: its connection is gone

WAKEABLE = (State.QUEUED, State.RUNNING)


class Stepped(msgspec.Struct, frozen=True):
    """What a step did: `chunks` were ended. `state` None: there was nothing to do, or another took over."""

    job: UUID
    chunks: int = 0
    state: State | None = None


class Step:
    """Takes a job further."""

    def __init__(
        self,
        store: JobStore,
        wake: Wake,
        works: Mapping[Kind, Work],
        clock: Clock,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._wake = wake
        self._works = works
        self._clock = clock
        self._sleep = sleep

    async def __call__(self, id_: UUID, deadline: Deadline) -> Stepped:
        """Do chunks until the deadline is near or the job is over, and have the next step begun.

        Raises:
            Unavailable: the store is away, or nobody can be told to go on. The same step may be begun again.
        """
        lease = uuid4()
        job = await self._store.claim(id_, lease, seconds=LEASE_SECONDS)
        if job is None:
            return Stepped(id_)
        run = _Run(self, job, lease, deadline)
        try:
            await run.work()
        except Superseded:
            _LOG.warning("jobs.superseded %s", id_)
            return Stepped(id_, run.chunks)
        except Unavailable as error:
            _LOG.warning("jobs.waits %s", error.detail)
            run.stalled()
        except Exception:
            _LOG.exception("jobs.failed")
            run.stalled()
        await self._store.release(id_, lease, due_at=run.due_at)
        if run.job.state in WAKEABLE:
            await self._wake.wake(id_, after=max(0.0, (run.due_at - self._clock.now()).total_seconds()))
        return Stepped(id_, run.chunks, run.job.state)


class _Run:
    """A step's own: the job as it stands, and under which lease."""

    def __init__(self, step: Step, job: Job, lease: UUID, deadline: Deadline) -> None:
        self.job = job
        self.due_at = job.due_at
        self.chunks = 0
        self._step = step
        self._lease = lease
        self._deadline = deadline
        self._work = step._works[job.kind]

    async def work(self) -> None:
        chunk = self.job.progress.chunk
        if self.job.stalls > _MOST_STALLS:
            message = "It got nowhere for hours. What stood in its way is in the log; resume it once that is mended."
            await self._commit(replace(self.job, state=State.FAILED), message=message)
            return
        if chunk is not None:
            await self._carry_out(chunk, self._step._clock.now(), again=True)
        while self.job.state is State.RUNNING and await self._is_time():
            if self.job.progress.cursor is None:
                plan = await self._work.plan(self.job)
                await self._commit(self.job, cursor=plan.cursor, total=plan.total)
                continue
            began = self._step._clock.now()
            found = await self._work.look(self.job, min(_MOST_EVENTS, self.job.rate))
            match found:
                case Chunk():
                    await self._commit(self.job, chunk=found)
                    await self._carry_out(found, began, again=False)
                case Wait(seconds, message, cursor):
                    self.due_at = self._step._clock.now() + timedelta(seconds=seconds)
                    await self._commit(self.job, cursor=cursor, message=message)
                    return
                case Finished():
                    await self._finish(found)
                case _ as unreachable:
                    assert_never(unreachable)

    def stalled(self) -> None:
        """Go on after a pause that grows with every step that gets nowhere."""
        seconds = min(_LONGEST_PAUSE, _AGAIN_SECONDS * 2 ** min(self.job.stalls, 10))
        self.due_at = self._step._clock.now() + timedelta(seconds=seconds)

    async def _is_time(self) -> bool:
        """Whether there is time for one more chunk, once it is due."""
        wait = max(0.0, (self.due_at - self._step._clock.now()).total_seconds())
        if wait + _KEPT_SECONDS > self._deadline.left():
            return False
        if wait:
            await self._step._sleep(wait)
        return True

    async def _carry_out(self, chunk: Chunk, began: datetime, *, again: bool) -> None:
        moved = await self._work.carry_out(self.job, chunk.intent, again=again)
        paced = moved.moved / self.job.rate
        # From when it was looked for: so the rate holds however long the work itself takes.
        self.due_at = max(self.due_at, began) + timedelta(seconds=paced)
        was = self.job.progress
        await self._commit(
            self.job,
            looked=was.looked + chunk.looked,
            done=was.done + moved.done,
            skipped=was.skipped + moved.skipped,
            failed=was.failed + moved.failed,
            seconds=round(was.seconds + max(paced, (self._step._clock.now() - began).total_seconds()), 6),
            cursor=chunk.cursor,
            chunk=None,
            result=moved.result,
            message=None,
        )
        self.chunks += 1

    async def _finish(self, found: Finished) -> None:
        state = State.DONE if found.failure is None else State.FAILED
        job = replace(self.job, state=state, spec=self.job.spec if found.spec is None else found.spec)
        await self._commit(job, result=found.result, message=found.failure)

    async def _commit(self, job: Job, **progress: object) -> None:
        changed = replace(
            job,
            progress=replace(self.job.progress, **progress),
            due_at=self.due_at,
            changed_at=self._step._clock.now(),
            stalls=0,
        )
        state = await self._step._store.commit(changed, self._lease)
        self.job = replace(changed, state=state)
