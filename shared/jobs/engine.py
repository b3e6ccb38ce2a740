"""One step of a job: as much as fits into one Lambda, so that a kill at any moment does nothing twice.

What a chunk is going to do is committed before it is begun, and what became of it afterwards, both under the lease. So
a step that finds a chunk begun knows what may be done already, and asks the kind to find out. The lease is longer than
a function may run, so whoever had it is dead by the time that another has it; and what it had sent has arrived by then
or never will, since nobody looks before `LATE_SECONDS` have passed.
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
from shared.jobs.work import Finished, Holding, Unfinished, Wait, Work
from shared.kit.clock import Clock
from shared.kit.deadline import Deadline
from shared.kit.errors import Unavailable

_LOG = logging.getLogger(__name__)

LEASE_SECONDS = 75.0
"""Longer than the function may run. A message of a killed step comes back later still, and finds the lease run out."""

LATE_SECONDS = 50.0
"""What was sent to the log is found there by then, or not at all.

A broker commits a record late while a replica lags: it drops such a one after 30 s at MSK (replica.lag.time.max.ms),
and looks for it every half of that. Until then nobody can read the record. The rest is for the request's own way, 2 s
of waiting for its answer, and clocks.
"""

_KEPT_SECONDS = 12.0  # what a chunk may take at worst: 5 to read, 2 to append, and the database's own
_MOST_EVENTS = 500
_MOST_STALLS = 50  # with their pauses four hours: so long a part may be away
_LONGEST_PAUSE = 300.0
_AGAIN_SECONDS = 5.0
_ASLEEP_SECONDS = 3.0  # of a step: a slow job would hold up the others, of which only some are at work at once
_NOWHERE = "It got nowhere for hours. What stood in its way is in the log; resume it once that is mended."

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
        self.store = store
        self.works = works
        self.clock = clock
        self.sleep = sleep
        self._wake = wake

    async def __call__(self, id_: UUID, deadline: Deadline) -> Stepped:
        """Do chunks until the deadline is near or the job is over, and have the next step begun.

        Raises:
            Unavailable: the store is away, or nobody can be told to go on. The same step may be begun again.
        """
        lease = uuid4()
        job = await self.store.claim(id_, lease, seconds=LEASE_SECONDS)
        if job is None:
            return Stepped(id_)
        run = _Run(self, job, lease, deadline)
        try:
            try:
                await run.work()
            except Superseded:
                raise
            except Unavailable as error:
                _LOG.warning("jobs.waits", extra={"reason": error.detail})
                await run.stalled()
            except Exception:
                _LOG.exception("jobs.failed")
                await run.stalled()
        except Superseded:
            _LOG.warning("jobs.superseded", extra={"job": id_})
            return Stepped(id_, run.chunks)
        await self.store.release(id_, lease, due_at=run.due_at)
        if run.job.is_wanting:
            await self._wake.wake(id_, after=max(0.0, (run.due_at - self.clock.now()).total_seconds()))
        return Stepped(id_, run.chunks, run.job.state)


class _Run:
    """A step's own: the job as it stands, and under which lease."""

    def __init__(self, step: Step, job: Job, lease: UUID, deadline: Deadline) -> None:
        self.job = job
        self.due_at = job.due_at
        self.chunks = 0
        self._slept = 0.0
        self._step = step
        self._lease = lease
        self._deadline = deadline
        self._work = step.works[job.kind]

    async def work(self) -> None:
        if self.job.stalls > _MOST_STALLS:
            await self._give_up()
            return
        if self.job.progress.chunk is not None and not await self._ended(self.job.progress.chunk):
            return
        while self.job.state is State.RUNNING and await self._is_time():
            if self.job.progress.cursor is None:
                plan = await self._work.plan(self.job)
                await self._commit(self.job, cursor=plan.cursor, total=plan.total)
                continue
            began = self._step.clock.now()
            found = await self._work.look(self.job, min(_MOST_EVENTS, self.job.rate))
            match found:
                case Chunk():
                    await self._carry_out(await self._begun(found), began, again=False)
                case Wait(seconds, message, cursor):
                    self.due_at = self._step.clock.now() + timedelta(seconds=seconds)
                    await self._commit(self.job, cursor=cursor, message=message)
                    return
                case Finished():
                    await self._finish(found)
                case _ as unreachable:
                    assert_never(unreachable)

    async def stalled(self) -> None:
        """Go on after a pause that grows with every step that gets nowhere.

        Raises:
            Superseded: another has the job.
            Unavailable: the store is away.
        """
        now, chunk = self._step.clock.now(), self.job.progress.chunk
        self.due_at = now + timedelta(seconds=min(_LONGEST_PAUSE, _AGAIN_SECONDS * 2 ** min(self.job.stalls, 10)))
        if chunk is not None:
            # This step sends nothing more, so it is known better than when the chunk was begun.
            chunk = replace(chunk, again_at=now + timedelta(seconds=LATE_SECONDS))
            self.due_at = max(self.due_at, now + timedelta(seconds=LATE_SECONDS))
            await self._commit(self.job, stalls=self.job.stalls, chunk=chunk)

    async def _begun(self, chunk: Chunk, *, stalls: int = 0) -> Chunk:
        """`chunk`, written down as begun, with a bound of when the last thing that this step sends has arrived."""
        seconds = self._deadline.left() + LATE_SECONDS
        begun = replace(chunk, again_at=self._step.clock.now() + timedelta(seconds=seconds))
        await self._commit(self.job, stalls=stalls, chunk=begun)
        return begun

    async def _ended(self, chunk: Chunk) -> bool:
        """Whether a chunk that was begun before is ended. If not, it is not time to look, or there is more to look at.

        A moment that was waited for holds, whoever resumes the job.
        """
        began = self._step.clock.now()
        if chunk.again_at is not None and chunk.again_at > began:
            self.due_at = chunk.again_at
            await self._commit(self.job, stalls=self.job.stalls - 1)
            return False
        try:
            await self._carry_out(await self._begun(chunk, stalls=self.job.stalls), began, again=True)
        except Unfinished as unfinished:
            self.due_at = began
            await self._commit(self.job, chunk=replace(chunk, intent=chunk.intent | unfinished.found, again_at=None))
            return False
        return True

    async def _give_up(self) -> None:
        """End a job that gets nowhere. Of what it had begun it can only say that it is not known."""
        chunk, message = self.job.progress.chunk, _NOWHERE
        if chunk is not None:
            message += f" Of the {chunk.looked} items that it had begun last it is not known which are done."
        if self.job.state is State.CANCELLED and chunk is not None:
            if isinstance(self._work, Holding):
                await self._work.let_go(self.job, chunk.intent)
            chunk = None
        elif self.job.state is State.PAUSED:
            await self._step.store.steer(self.job.tenant, self.job.id, State.FAILED, since={State.PAUSED})
        state = State.FAILED if self.job.state is State.RUNNING else self.job.state
        await self._commit(replace(self.job, state=state), chunk=chunk, message=message)

    async def _is_time(self) -> bool:
        """Whether there is time for one more chunk, once it is due."""
        wait = max(0.0, (self.due_at - self._step.clock.now()).total_seconds())
        if wait + _KEPT_SECONDS > self._deadline.left() or self._slept + wait > _ASLEEP_SECONDS:
            return False
        if wait:
            self._slept += wait
            await self._step.sleep(wait)
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
            seconds=round(was.seconds + max(paced, (self._step.clock.now() - began).total_seconds()), 6),
            cursor=chunk.cursor,
            chunk=None,
            result=moved.result,
            message=None,
        )
        self.chunks += 1

    async def _finish(self, found: Finished) -> None:
        state = State.DONE if found.failure is None else State.FAILED
        job = replace(self.job, state=state, spec=self.job.spec if found.spec is None else found.spec)
        cursor = self.job.progress.cursor if found.cursor is None else found.cursor
        await self._commit(job, result=found.result, message=found.failure, cursor=cursor)

    async def _commit(self, job: Job, *, stalls: int = 0, **progress: object) -> None:
        changed = replace(
            job,
            progress=replace(self.job.progress, **progress),
            due_at=self.due_at,
            changed_at=self._step.clock.now(),
            stalls=stalls,
        )
        state = await self._step.store.commit(changed, self._lease)
        # Whoever was steered meanwhile keeps its spec (`JobStore.commit`).
        spec = changed.spec if state is changed.state else self.job.spec
        self.job = replace(changed, state=state, spec=spec)
