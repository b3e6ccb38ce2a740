"""Admission over Redis or Valkey: one script a question."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from shared.adapters.redis.backlog import fields
from shared.adapters.redis.connection import Argument, Away, RedisConnection
from shared.adapters.redis.scripts import ADMIT, SETTLE
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
from shared.events.model import Position
from shared.kit.gcra import Gcra, Taken

_CLAIM_MS = 10_000  # longer than a request may take to append or spool what it claimed

_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
_FRESH, _BEHIND, _CLAIMED = Fresh(), Fresh(behind=True), Claimed()
_VERDICTS: dict[str, Verdict] = {"f": _FRESH, "b": _BEHIND, "c": _CLAIMED, "s": Known(None)}


class RedisAdmission:
    """An Admission.

    All keys of a tenant carry its name in braces, so that they lie in one slot of a cluster and a script may use them
    together. Event keys are handed over as one string of 16 bytes each: as arguments of their own a batch of 500 would
    take the client longer to write than the server to answer.
    """

    def __init__(self, connection: RedisConnection, quota: Quota) -> None:
        self._connection = connection
        self._quota = quota
        self._own: dict[str, Gcra] = {}  # a tenant's quota as this environment keeps it while Redis is away

    async def admit(self, tenant: str, entries: Sequence[Entry], *, claim: str, counted: bool = True) -> Admitted:
        quota = self._quota
        keys = [f"quota:{{{tenant}}}", f"spooled:{{{tenant}}}", f"dedup:{{{tenant}}}:"]
        arguments: list[Argument] = [
            claim,
            _CLAIM_MS,
            1_000_000 / quota.events_per_second,
            quota.burst,
            int(counted),
            b"".join([entry.key.bytes for entry in entries]),
            fields([entry.partition_key for entry in entries]),
        ]
        try:
            answer = await self._connection.run(ADMIT, keys, arguments)
        except Away:
            return self._alone(tenant, entries, counted)
        told = answer.decode().split(",")
        taken = Taken(*map(int, told[:4]))
        verdicts = [_VERDICTS.get(word) or _verdict(word) for word in told[4 : 4 + taken.given]]
        return _admitted(quota, taken, verdicts, len(entries))

    async def settle(
        self,
        tenant: str,
        settled: Sequence[Settled],
        released: Sequence[UUID],
        *,
        claim: str,
        unknown: Sequence[Unknown] = (),
    ) -> bool:
        arguments: list[Argument] = [
            claim,
            b"".join([each.key.bytes for each in settled]),
            ",".join(["s" if each.position is None else f"p{each.position}" for each in settled]),
            ",".join([str(each.window_seconds) for each in settled]),
            b"".join([key.bytes for key in (*released, *(each.key for each in unknown))]),
            ",".join(["0"] * len(released) + [str((each.received_at - _EPOCH) // _MICROSECOND) for each in unknown]),
        ]
        return await self._connection.done(SETTLE, [f"dedup:{{{tenant}}}:"], arguments)

    def _alone(self, tenant: str, entries: Sequence[Entry], counted: bool) -> Admitted:
        own = self._own.setdefault(tenant, Gcra(self._quota.events_per_second, self._quota.burst))
        taken = own.take(len(entries) if counted else 0, time.monotonic())
        verdicts: list[Verdict] = [_FRESH] * (taken.given if counted else len(entries))
        return _admitted(self._quota, taken, verdicts, len(entries), degraded=True)


def _verdict(word: str) -> Verdict:
    """A receipt, or what was let in with the time of its first coming."""
    if word[0] in "fb":
        return Fresh(behind=word[0] == "b", received_at=_EPOCH + int(word[1:]) * _MICROSECOND)
    partition, _, offset = word[1:].partition(":")
    return Known(Position(int(partition), int(offset)))


def _admitted(quota: Quota, taken: Taken, verdicts: list[Verdict], asked: int, *, degraded: bool = False) -> Admitted:
    over: list[Verdict] = [Throttled(max(1, taken.retry_seconds))] * (asked - len(verdicts))
    allowance = Allowance(quota, taken.remaining, taken.reset_seconds)
    return Admitted(verdicts + over, allowance, degraded)
