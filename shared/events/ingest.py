"""Accepting events: checked against their types, let in once, appended to the log or spooled, and receipted."""

import asyncio
import secrets
from collections.abc import Sequence

import msgspec

from shared.events.admission import (
    Admission,
    Admitted,
    Claimed,
    Entry,
    Fresh,
    Settled,
    Unknown,
    Waiters,
)
from shared.events.draft import Draft, Rejected
from shared.events.intake import Caller, Intake, LetIn
from shared.events.model import Appended, NotAppended, Spooled
from shared.events.outage import SpoolingLog
from shared.events.receipts import Accepted, Status
from shared.events.rules import Rules
from shared.kit.clock import Clock
from shared.kit.deadline import Deadline

_CONTENDED_SECONDS = 2.5  # what the other may take to append, and a little more
_FIRST_PAUSE_SECONDS = 0.01


class Ingest:
    """Takes drafts in.

    Each event's way: its type's rule, then admission (quota, deduplication, the spool's backlog), then the log, with
    the spool behind it. Whatever is acknowledged is durable.
    """

    def __init__(self, log: SpoolingLog, rules: Rules, admission: Admission, waiters: Waiters, clock: Clock) -> None:
        self._log = log
        self._rules = rules
        self._admission = admission
        self._waiters = waiters
        self._clock = clock

    async def check(self, drafts: Sequence[Draft | Rejected], caller: Caller) -> Accepted:
        """What `accept` would say of `drafts`, without a place in the log. Nothing is written, counted or claimed."""
        ruleset = await self._rules.of(caller.tenant)
        room = Intake(self._clock.now(), caller, ruleset, waiter=None)
        room.judge(drafts)
        for candidate in room.candidates:
            room.receipts[candidate.index] = candidate.receipt(Status.ACCEPTED)
        return room.accepted(None)

    async def accept(
        self, drafts: Sequence[Draft | Rejected], caller: Caller, *, deadline: Deadline, wait_seconds: float = 0
    ) -> Accepted:
        """Take `drafts` in, in their order, and answer for each, in the same order.

        All are stamped with one received time. With `wait_seconds` it waits so long for the rows of what was appended:
        those that are there in time are `stored`. Returns before `deadline` and does not raise for an absent part.
        """
        ruleset = await self._rules.of(caller.tenant)
        waiter = secrets.token_hex(16) if wait_seconds > 0 else None
        room = Intake(self._clock.now(), caller, ruleset, waiter=waiter)
        room.judge(drafts)
        if not room.candidates:
            return room.accepted(None)
        admitted = await self._admit(room, deadline)
        let_in = room.let_in(admitted)
        try:
            await self._append(room, let_in, deadline)
        except BaseException:
            held = [each.candidate.event.key for each in let_in] + room.left_out
            await self._admission.settle(caller.tenant, [], held, claim=room.claim)
            raise
        if waiter is not None:
            await self._wait(room, let_in, waiter, min(wait_seconds, deadline.left()))
        return room.accepted(admitted)

    async def _admit(self, room: Intake, deadline: Deadline) -> Admitted:
        """The verdicts. An event that another request is sending at this moment is asked for until that has ended."""
        tenant = room.caller.tenant
        entries = [Entry(candidate.event.key, candidate.event.partition_key) for candidate in room.candidates]
        admitted = await self._admission.admit(tenant, entries, claim=room.claim)
        patience = Deadline(min(_CONTENDED_SECONDS, deadline.left() / 2))  # the rest is for the log and the spool
        pause = _FIRST_PAUSE_SECONDS
        while patience.left() and any(isinstance(verdict, Claimed) for verdict in admitted.verdicts):
            await asyncio.sleep(min(pause, patience.left()))
            pause *= 2
            # Those that are let in already, too: meanwhile older events of their keys may have gone into the spool.
            open_ = [index for index, verdict in enumerate(admitted.verdicts) if isinstance(verdict, Claimed | Fresh)]
            asked = [entries[index] for index in open_]
            again = await self._admission.admit(tenant, asked, claim=room.claim, counted=False)
            for index, verdict in zip(open_, again.verdicts, strict=True):
                before = admitted.verdicts[index]
                if isinstance(before, Fresh) and isinstance(verdict, Fresh):  # when it first came is told once
                    verdict = Fresh(verdict.behind, before.received_at)
                admitted.verdicts[index] = verdict
            if again.degraded:
                admitted = msgspec.structs.replace(admitted, degraded=True)
        return admitted

    async def _append(self, room: Intake, let_in: Sequence[LetIn], deadline: Deadline) -> None:
        events = [each.candidate.event for each in let_in]
        behind = [each.behind for each in let_in]
        durable = await self._log.append(events, behind=behind, within=deadline.left())
        settled: list[Settled] = []
        unknown: list[Unknown] = []
        for number, (each, answer) in enumerate(zip(let_in, durable.answers, strict=True)):
            candidate, overtakes = each.candidate, number in durable.overtakes
            match answer:
                case Appended(position):
                    receipt = candidate.receipt(Status.ACCEPTED, position=position)
                    settled.append(Settled(candidate.event.key, position, candidate.window_seconds))
                case Spooled():
                    receipt = candidate.receipt(Status.SPOOLED, overtakes=overtakes)
                    settled.append(Settled(candidate.event.key, None, candidate.window_seconds))
                case NotAppended():
                    receipt = candidate.receipt(Status.RETRY)
                    unknown.append(Unknown(candidate.event.key, candidate.event.received_at))
            room.receipts[candidate.index] = receipt
        if settled or unknown or room.left_out:
            kept = await self._admission.settle(
                room.caller.tenant, settled, room.left_out, claim=room.claim, unknown=unknown
            )
            room.dedup_lost = room.dedup_lost or not kept

    async def _wait(self, room: Intake, let_in: Sequence[LetIn], waiter: str, seconds: float) -> None:
        waiting = {
            each.candidate.event.key: each.candidate.index
            for each in let_in
            if room.receipts[each.candidate.index].status is Status.ACCEPTED
        }
        if not waiting or seconds <= 0:
            return
        for key in await self._waiters.wait(waiter, list(waiting), seconds=seconds):
            index = waiting[key]
            room.receipts[index] = msgspec.structs.replace(room.receipts[index], status=Status.STORED)
