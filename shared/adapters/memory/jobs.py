"""Jobs in memory."""

import hashlib
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from msgspec.structs import replace

from shared.jobs.model import Job, State
from shared.jobs.ports import Superseded
from shared.kit.clock import Clock, SystemClock
from shared.kit.errors import Unavailable


class MemoryJobStore:
    """A JobStore over a dictionary. Set `away` to have it behave as one that cannot be reached."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.jobs: dict[UUID, Job] = {}
        self.away = False
        self._leases: dict[UUID, tuple[UUID, datetime]] = {}
        self._clock = clock or SystemClock()

    async def create(self, job: Job) -> None:
        self._require()
        self.jobs.setdefault(job.id, job)

    async def get(self, tenant: str, id_: UUID) -> Job | None:
        self._require()
        job = self.jobs.get(id_)
        return job if job is not None and job.tenant == tenant else None

    async def page(self, tenant: str, *, before: UUID | None, limit: int) -> list[Job]:
        self._require()
        found = [job for job in self.jobs.values() if job.tenant == tenant and (before is None or job.id < before)]
        return sorted(found, key=lambda job: job.id, reverse=True)[:limit]

    async def steer(self, tenant: str, id_: UUID, to: State, *, since: Collection[State]) -> Job | None:
        job = await self.get(tenant, id_)
        if job is None or job.state not in since:
            return None
        now = self._clock.now()
        changed = replace(job, state=to, changed_at=now)
        self.jobs[id_] = replace(changed, due_at=now, stalls=0) if to is State.QUEUED else changed
        return self.jobs[id_]

    async def claim(self, id_: UUID, lease: UUID, *, seconds: float) -> Job | None:
        self._require()
        job = self.jobs.get(id_)
        if job is None or not self._is_free(job):
            return None
        self._leases[id_] = (lease, self._clock.now() + timedelta(seconds=seconds))
        state = State.RUNNING if job.state is State.QUEUED else job.state
        self.jobs[id_] = replace(job, state=state, stalls=job.stalls + 1)
        return self.jobs[id_]

    async def commit(self, job: Job, lease: UUID) -> State:
        self._require()
        if self._leases.get(job.id, (None,))[0] != lease:
            raise Superseded
        held = self.jobs[job.id]
        is_steered = held.state is not State.RUNNING
        self.jobs[job.id] = replace(job, state=held.state, spec=held.spec) if is_steered else job
        return self.jobs[job.id].state

    async def release(self, id_: UUID, lease: UUID, *, due_at: datetime) -> None:
        self._require()
        if self._leases.get(id_, (None,))[0] == lease:
            del self._leases[id_]
            self.jobs[id_] = replace(self.jobs[id_], due_at=due_at)

    async def overdue(self, *, seconds: float, limit: int) -> list[UUID]:
        self._require()
        edge = self._clock.now() - timedelta(seconds=seconds)
        found = [job for job in self.jobs.values() if self._is_free(job) and job.due_at <= edge]
        return [job.id for job in sorted(found, key=lambda job: job.due_at)][:limit]

    def _is_free(self, job: Job) -> bool:
        until = self._leases.get(job.id, (None, None))[1]
        return job.is_wanting and (until is None or until <= self._clock.now())

    def _require(self) -> None:
        if self.away:
            raise Unavailable("The database does not answer.")


class MemoryWake:
    """A Wake that writes down who is woken, and after how many seconds. Set `away` to have it reach nobody."""

    def __init__(self) -> None:
        self.woken: list[tuple[UUID, float]] = []
        self.away = False

    async def wake(self, job: UUID, *, after: float) -> None:
        if self.away:
            raise Unavailable("The queue does not answer.")
        self.woken.append((job, after))


class MemoryErasures:
    """An Erasures over a dictionary."""

    def __init__(self) -> None:
        self.noted: dict[tuple[str, str], datetime] = {}
        self.away = False

    async def note(self, tenant: str, subject: str, asked_at: datetime, job: UUID) -> None:
        self._require()
        key = (tenant, self.digest(tenant, subject))
        self.noted[key] = max(asked_at, self.noted.get(key, asked_at))

    async def asked(self, tenant: str, subjects: Sequence[str]) -> dict[str, datetime]:
        self._require()
        noted = {subject: self.noted.get((tenant, self.digest(tenant, subject))) for subject in subjects}
        return {subject: asked_at for subject, asked_at in noted.items() if asked_at is not None}

    def digest(self, tenant: str, subject: str) -> str:
        return hashlib.sha256(f"{tenant}/{subject}".encode()).hexdigest()

    def _require(self) -> None:
        if self.away:
            raise Unavailable("The database does not answer.")
