"""Waking jobs that nobody wakes: a message may be lost, or never have been sent."""

from shared.jobs.ports import JobStore, Wake

_OVERDUE_SECONDS = 120.0  # longer than a killed step's own message takes to come back
_MOST = 100


class Sweep:
    """Wakes what is overdue."""

    def __init__(self, store: JobStore, wake: Wake) -> None:
        self._store = store
        self._wake = wake

    async def __call__(self) -> int:
        """Wake the jobs that have been due for two minutes, 100 at most, and say how many.

        Raises:
            Unavailable: the store is away, or nobody can be told.
        """
        overdue = await self._store.overdue(seconds=_OVERDUE_SECONDS, limit=_MOST)
        for job in overdue:
            await self._wake.wake(job, after=0)
        return len(overdue)
