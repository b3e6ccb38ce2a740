"""Beginning jobs, looking at them, and stopping them."""

import logging
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

from shared.access.model import Principal
from shared.jobs.model import Job, Kind, State
from shared.jobs.ports import JobStore, Wake
from shared.kit.clock import Clock
from shared.kit.errors import Conflict, NotFound, Unavailable
from shared.kit.ids import Ascending, uuid8

_LOG = logging.getLogger(__name__)

_TAIL = 2**62 - 1  # of an id's bits: they are the key's own, and the rest is the time's
_KEPT = timedelta(hours=24)  # as answers are
_LOOKED = 50  # jobs, the newest: a request without an answer is sent again soon

type Action = Literal["pause", "resume", "cancel"]

_ACTIONS: dict[Action, tuple[State, frozenset[State]]] = {
    "pause": (State.PAUSED, frozenset({State.QUEUED, State.RUNNING, State.PAUSED})),
    "resume": (State.QUEUED, frozenset({State.PAUSED, State.FAILED})),
    "cancel": (
        State.CANCELLED,
        frozenset({State.QUEUED, State.RUNNING, State.PAUSED, State.FAILED, State.CANCELLED}),
    ),
}


class NotNow(Conflict):
    """The job is in a state in which that cannot be done."""

    code = "not_now"


class Jobs:
    """The jobs of one principal at a time."""

    def __init__(self, store: JobStore, wake: Wake, clock: Clock) -> None:
        self._store = store
        self._wake = wake
        self._clock = clock
        self._ids = Ascending()

    async def begin(self, principal: Principal, kind: Kind, spec: dict[str, Any], *, key: str | None = None) -> Job:
        """A new job. It is durable when this returns, and begins in a moment.

        With a `key` of the sender's own it is the job that the same was asked for under that key a moment ago, if there
        is one: whoever got no answer asks again.

        Raises:
            Unavailable: the store is away. There may be a job all the same.
        """
        now = self._clock.now()
        id_ = self._ids.following(now)
        if key is not None:
            id_ = UUID(int=id_.int & ~_TAIL | uuid8(principal.tenant, kind, key).int & _TAIL)
            for job in await self._store.page(principal.tenant, before=None, limit=_LOOKED):
                if (job.id.int & _TAIL, job.spec) == (id_.int & _TAIL, spec) and now - job.created_at < _KEPT:
                    await self._woken(job)
                    return job
        job = Job(
            id=id_,
            tenant=principal.tenant,
            kind=kind,
            state=State.QUEUED,
            spec=spec,
            created_at=now,
            created_by=principal.name,
            changed_at=now,
            due_at=now,
        )
        await self._store.create(job)
        await self._woken(job)
        return job

    async def get(self, principal: Principal, id_: UUID) -> Job:
        """One job.

        Raises:
            NotFound: the tenant has no such job.
            Unavailable: the store is away.
        """
        job = await self._store.get(principal.tenant, id_)
        if job is None:
            raise NotFound("There is no job with this id.")
        return job

    async def page(self, principal: Principal, *, before: UUID | None, limit: int) -> tuple[list[Job], UUID | None]:
        """Up to `limit` jobs made before the job `before`, the newest first, and the `before` of the page that follows.

        Raises:
            Unavailable: the store is away.
        """
        found = await self._store.page(principal.tenant, before=before, limit=limit + 1)
        return found[:limit], found[limit - 1].id if len(found) > limit else None

    async def steer(self, principal: Principal, id_: UUID, action: Action) -> Job:
        """The job, paused, resumed or cancelled. What it has begun by then it ends. Repeatable.

        Raises:
            NotFound: the tenant has no such job.
            NotNow: it is over, or (to be resumed) at work.
            Unavailable: the store is away.
        """
        to, since = _ACTIONS[action]
        job = await self._store.steer(principal.tenant, id_, to, since=since)
        if job is None:
            found = await self.get(principal, id_)
            raise NotNow(f"The job is {found.state}.", members={"state": found.state})
        if to is State.QUEUED:
            await self._woken(job)
        return job

    async def _woken(self, job: Job) -> None:
        try:
            await self._wake.wake(job.id, after=0)
        except Unavailable:
            _LOG.warning("jobs.not_woken", extra={"job": job.id})  # the sweep will
