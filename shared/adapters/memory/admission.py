"""Admission, backlog and waiters in memory: the plainest reading of each promise."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from shared.events.admission import (
    Admitted,
    Allowance,
    Claimed,
    Entry,
    Fresh,
    Known,
    Quota,
    Settled,
    Throttled,
    Unknown,
    Verdict,
)
from shared.kit.clock import DAY_SECONDS
from shared.kit.gcra import Gcra

_CLAIM_SECONDS = 10.0
_PLENTY = Quota(events_per_second=1_000_000, burst=1_000_000)


class MemoryAdmission:
    """An Admission and a Backlog over dictionaries, shared by all who hold it.

    Set `away` to have it behave as one that cannot be reached. `asked` counts the questions.
    """

    def __init__(self, quota: Quota = _PLENTY, now: Callable[[], float] = time.monotonic) -> None:
        self.quota = quota
        self.away = False
        self.asked = 0
        self.backlog: dict[tuple[str, str], str] = {}
        self._now = now
        self._quotas: dict[str, Gcra] = {}
        self._held: dict[tuple[str, UUID], tuple[float, str | Known | datetime]] = {}

    async def admit(self, tenant: str, entries: Sequence[Entry], *, claim: str, counted: bool = True) -> Admitted:
        self.asked += 1
        quota = self._quotas.setdefault(tenant, Gcra(self.quota.events_per_second, self.quota.burst))
        held = [self._value(tenant, entry.key) == claim for entry in entries]
        taken = quota.take(held.count(False) if counted else 0, self._now())
        left = taken.given if counted else len(entries)
        verdicts: list[Verdict] = []
        for entry, is_paid in zip(entries, held, strict=True):
            if not is_paid and left == 0:
                break
            left -= not is_paid
            verdicts.append(self._verdict(tenant, entry, claim))
        verdicts += [Throttled(max(1, taken.retry_seconds))] * (len(entries) - len(verdicts))
        return Admitted(verdicts, Allowance(self.quota, taken.remaining, taken.reset_seconds), self.away)

    async def settle(
        self,
        tenant: str,
        settled: Sequence[Settled],
        released: Sequence[UUID],
        *,
        claim: str,
        unknown: Sequence[Unknown] = (),
    ) -> bool:
        self.asked += 1
        if self.away:
            return False
        for each in settled:
            if self._value(tenant, each.key) in (None, claim):
                self._held[tenant, each.key] = (self._now() + each.window_seconds, Known(each.position))
        for key in released:
            if self._value(tenant, key) == claim:
                del self._held[tenant, key]
        for lost in unknown:
            if self._value(tenant, lost.key) == claim:
                self._held[tenant, lost.key] = (self._now() + DAY_SECONDS, lost.received_at)
        return True

    async def enter(self, tenant: str, partition_keys: Sequence[str], *, spooled: str) -> bool:
        if self.away:
            return False
        newest = [key for key in partition_keys if self.backlog.get((tenant, key), "") <= spooled]
        self.backlog |= {(tenant, key): spooled for key in newest}
        return len(newest) == len(partition_keys)

    async def leave(self, tenant: str, partition_keys: Sequence[str], *, spooled: str) -> bool:
        if not self.away:
            for key in partition_keys:
                if self.backlog.get((tenant, key)) == spooled:
                    del self.backlog[tenant, key]
        return not self.away

    def _verdict(self, tenant: str, entry: Entry, claim: str) -> Verdict:
        if self.away:
            return Fresh()
        value = self._value(tenant, entry.key)
        if isinstance(value, Known):
            return value
        came = value if isinstance(value, datetime) else None
        if came is None and value not in (None, claim):
            return Claimed()
        self._held[tenant, entry.key] = (self._now() + _CLAIM_SECONDS, claim)
        return Fresh(behind=(tenant, entry.partition_key) in self.backlog, received_at=came)

    def _value(self, tenant: str, key: UUID) -> str | Known | datetime | None:
        until, value = self._held.get((tenant, key), (0.0, ""))
        return value if self._now() < until else None


class MemoryWaiters:
    """Waiters over a dictionary. Whoever waits is told at once, or not at all: nothing happens meanwhile."""

    def __init__(self) -> None:
        self.told: dict[str, set[UUID]] = {}

    async def tell(self, stored: Sequence[tuple[str, UUID]]) -> None:
        for waiter, key in stored:
            self.told.setdefault(waiter, set()).add(key)

    async def wait(self, waiter: str, keys: Sequence[UUID], *, seconds: float) -> set[UUID]:
        return self.told.get(waiter, set()) & set(keys)
