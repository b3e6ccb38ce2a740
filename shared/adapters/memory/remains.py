"""What is kept of a subject, in memory."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from msgspec.structs import replace

from shared.adapters.memory.cache import MemoryCache
from shared.adapters.memory.deadletters import MemoryDeadLetterStore
from shared.adapters.memory.events import MemoryEventStore
from shared.adapters.memory.jobs import MemoryJobStore
from shared.deadletters.model import LetterFilter, Scope
from shared.events.ports import EventFilter, Keyset
from shared.events.query import cache_key
from shared.jobs.model import Job, State
from shared.jobs.ports import Found, RowName

_LOOKED = 5000
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)


class MemoryRemains:
    """A Remains over the other stores in memory."""

    def __init__(
        self, store: MemoryEventStore, letters: MemoryDeadLetterStore, jobs: MemoryJobStore, *, looked: int = _LOOKED
    ) -> None:
        self._store = store
        self._letters = letters
        self._jobs = jobs
        self._looked = looked

    async def rows(self, tenant: str, subject: str, until: datetime, *, after: Keyset | None, limit: int) -> Found:
        page = await self._store.page(tenant, EventFilter(), after=after, limit=self._looked, descending=False)
        page = [row for row in page if row.event.received_at <= until]
        mine = [row for row in page if row.event.subject == subject][:limit]
        last = mine[-1:] if len(mine) == limit else page[-1:]
        is_more = len(mine) == limit or len(page) == self._looked
        names = [
            RowName(day=row.event.received_day, key=row.event.key, id=row.event.id, source=row.event.source)
            for row in mine
        ]
        following = Keyset(last[0].event.received_at, str(last[0].event.key)) if last and is_more else None
        return Found(names, len(page), following)

    async def remove_rows(self, tenant: str, subject: str, rows: Sequence[RowName]) -> None:
        for row in rows:
            self._store.remove(tenant, subject, row.day, row.key)

    async def letters(self, tenant: str, subject: str, until: datetime, *, limit: int) -> list[UUID]:
        page = await self._letters.page(
            Scope(tenant), LetterFilter(subject=subject), after=None, limit=1_000_000, descending=False
        )
        milliseconds = int(until.timestamp() * 1000)
        received = self._letters.received
        return [
            each.id for each in page if each.timestamp_ms <= milliseconds or received.get(each.id, _NEVER) <= until
        ][:limit]

    async def remove_letters(self, tenant: str, letters: Sequence[UUID]) -> None:
        for letter in letters:
            if await self._letters.get(Scope(tenant), letter) is not None:
                del self._letters.letters[letter]

    async def unname(self, tenant: str, subject: str, digest: str, *, before: UUID) -> None:
        for job in self._naming(tenant, subject, before):
            if job.state in (State.QUEUED, State.RUNNING):
                continue
            state = State.DONE if job.state is State.DONE else State.CANCELLED
            if job.spec.get("subject") == subject:
                spec = job.spec | {"subject": digest}
            else:
                spec = job.spec | {"filter": job.spec["filter"] | {"subject": digest}}
            self._jobs.jobs[job.id] = replace(job, state=state, spec=spec)

    async def naming(self, tenant: str, subject: str, *, before: UUID) -> int:
        return len(self._naming(tenant, subject, before))

    def _naming(self, tenant: str, subject: str, before: UUID) -> list[Job]:
        older = [job for job in self._jobs.jobs.values() if job.tenant == tenant and job.id < before]
        return [job for job in older if subject in (job.spec.get("subject"), job.spec.get("filter", {}).get("subject"))]


class MemoryTraces:
    """A Traces over the cache in memory."""

    def __init__(self, cache: MemoryCache) -> None:
        self._cache = cache

    async def forget(self, tenant: str, rows: Sequence[RowName]) -> None:
        for row in rows:
            for source in (row.source, None):
                self._cache.drop(cache_key(tenant, row.id, source))
