"""Accepting events: checked against their types, let in once, appended to the log or spooled, and receipted."""

import asyncio
import secrets
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from shared.events.admission import (
    Admission,
    Admitted,
    Claimed,
    Entry,
    Fresh,
    Known,
    Settled,
    Throttled,
    Unknown,
    Waiters,
)
from shared.events.draft import Draft, Rejected
from shared.events.model import Appended, Event, NotAppended, Spooled, event_key, written
from shared.events.outage import SpoolingLog
from shared.events.receipts import Accepted, Receipt, Status
from shared.events.rules import DEFAULT_WINDOW_SECONDS, Rule, Rules, Ruleset
from shared.kit.clock import Clock
from shared.kit.deadline import Deadline
from shared.kit.errors import Fault, Unprocessable
from shared.kit.ids import uuid7, uuid8
from shared.kit.trace import Trace

DEFAULT_SOURCE = "/v1/events"
"""The source of an event in the plain form whose sender names none: the place that it came in by."""

_CONTENDED_SECONDS = 2.5  # what the other may take to append, and a little more
_FIRST_PAUSE_SECONDS = 0.01
_DAY_SECONDS = 24 * 3600


class Caller(msgspec.Struct, frozen=True):
    """Who sends, and in which trace: what the server stamps on each event.

    `request_key` is the same for a request that is sent again: so are the ids then that the server gives its events.
    """

    tenant: str
    principal: str
    traceparent: str
    request_key: str | None = None


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
        room = _Request(self._clock.now(), caller, ruleset, waiter=None)
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
        room = _Request(self._clock.now(), caller, ruleset, waiter=waiter)
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

    async def _admit(self, room: "_Request", deadline: Deadline) -> Admitted:
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

    async def _append(self, room: "_Request", let_in: Sequence["_LetIn"], deadline: Deadline) -> None:
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

    async def _wait(self, room: "_Request", let_in: Sequence["_LetIn"], waiter: str, seconds: float) -> None:
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


class _Candidate(msgspec.Struct, frozen=True):
    """An event that may come in: its place in the request, and what its type says of it."""

    index: int
    event: Event
    window_seconds: int
    warnings: tuple[Fault, ...]

    def receipt(self, status: Status, **fields: object) -> Receipt:
        return Receipt(id=self.event.id, status=status, warnings=self.warnings, **fields)  # type: ignore[arg-type]

    def received(self, moment: datetime) -> "_Candidate":
        """The same, received at another moment."""
        return msgspec.structs.replace(self, event=msgspec.structs.replace(self.event, received_at=moment))


class _LetIn(msgspec.Struct, frozen=True):
    candidate: _Candidate
    behind: bool


class _Request:
    """One request on its way: which of its events are candidates, and the receipts so far, by their index."""

    def __init__(self, now: datetime, caller: Caller, ruleset: Ruleset, *, waiter: str | None) -> None:
        self.caller = caller
        self.claim = secrets.token_hex(8)
        self.candidates: list[_Candidate] = []
        self.receipts: dict[int, Receipt] = {}
        self.left_out: list[UUID] = []
        self.dedup_lost = False
        self._now = now
        # On its day an event meets its own row: without its receipt it would be accepted then, and thrown away.
        self._rest_of_day = _DAY_SECONDS - (now.hour * 60 + now.minute) * 60 - now.second
        self._ruleset = ruleset
        self._waiter = waiter
        self._repeats: dict[int, int] = {}  # of an event that stands twice in the request: the later to the first

    def judge(self, drafts: Sequence[Draft | Rejected]) -> None:
        """Sort out what is rejected or stands twice; the rest are candidates."""
        first: dict[UUID, int] = {}
        for index, draft in enumerate(drafts):
            if isinstance(draft, Rejected):
                self.receipts[index] = Receipt(id=draft.id, status=Status.REJECTED, failure=draft.failure)
                continue
            rule = self._ruleset.rules.get(draft.type)
            event = _stamp(draft, draft.id or self._minted_id(index), self._now, self.caller, rule, self._waiter)
            faults = _faults(draft, rule)
            if faults and rule is not None and rule.mode == "enforce":
                failure = Unprocessable("The event's data is not what its type asks for.", faults=faults)
                self.receipts[index] = Receipt(id=event.id, status=Status.REJECTED, failure=failure)
            elif (earlier := first.setdefault(event.key, index)) != index:
                self._repeats[index] = earlier
            else:
                window = DEFAULT_WINDOW_SECONDS if rule is None else rule.window_seconds
                self.candidates.append(_Candidate(index, event, max(window, self._rest_of_day), faults))

    def _minted_id(self, index: int) -> str:
        """The id of an event whose sender gave none."""
        key = self.caller.request_key
        return str(uuid7(self._now) if key is None else uuid8(self.caller.tenant, key, str(index)))

    def let_in(self, admitted: Admitted) -> list[_LetIn]:
        """The candidates to be appended. One that could not be decided keeps back what follows under its key."""
        found: list[_LetIn] = []
        held: set[str] = set()
        for candidate, verdict in zip(self.candidates, admitted.verdicts, strict=True):
            event = candidate.event
            match verdict:
                case Fresh(behind, came) if event.partition_key not in held:
                    found.append(_LetIn(candidate if came is None else candidate.received(came), behind))
                    continue
                case Fresh():
                    self.left_out.append(event.key)
                    receipt = candidate.receipt(Status.RETRY)
                case Known(position):
                    receipt = candidate.receipt(Status.DUPLICATE, position=position)
                case Claimed():
                    held.add(event.partition_key)
                    receipt = candidate.receipt(Status.RETRY)
                case Throttled(seconds):
                    receipt = candidate.receipt(Status.THROTTLED, retry_after_seconds=seconds)
            self.receipts[candidate.index] = receipt
        return found

    def accepted(self, admitted: Admitted | None) -> Accepted:
        """All receipts, in order."""
        for index, earlier in self._repeats.items():
            original = self.receipts[earlier]
            repeated = Status.DUPLICATE if original.status.is_durable else original.status
            self.receipts[index] = msgspec.structs.replace(original, status=repeated)
        receipts = [self.receipts[index] for index in range(len(self.receipts))]
        alone = admitted is not None and admitted.degraded  # then nobody said either what is in the spool
        degraded = {
            "schemas": not self._ruleset.known,
            "dedup": self.dedup_lost or alone,
            "order": alone or any(receipt.overtakes for receipt in receipts),
        }
        return Accepted(
            receipts=receipts,
            allowance=admitted.allowance if admitted else None,
            degraded=tuple(name for name, so in degraded.items() if so),
        )


def _faults(draft: Draft, rule: Rule | None) -> tuple[Fault, ...]:
    """What the type says of the data, which may be elsewhere (`dataref`), but not of another kind than JSON."""
    data = written(draft.data)
    if rule is None or rule.mode == "off" or (data is None and draft.data_base64 is None and _is_elsewhere(draft)):
        return ()
    if draft.data_base64 is not None:
        return (Fault(f"{draft.at}/data_base64", "type", "This type's events have JSON in data."),)
    return tuple(rule.faults(data, f"{draft.at}/data"))


def _is_elsewhere(draft: Draft) -> bool:
    return "dataref" in draft.extensions


def _stamp(draft: Draft, id_: str, now: datetime, caller: Caller, rule: Rule | None, waiter: str | None) -> Event:
    source = draft.source or DEFAULT_SOURCE
    found = rule.partition_key(written(draft.data)) if rule is not None and draft.key is None else None
    return Event(
        key=event_key(caller.tenant, source, id_),
        tenant=caller.tenant,
        principal=caller.principal,
        id=id_,
        source=source,
        type=draft.type,
        partition_key=draft.key or found or draft.subject or id_,
        received_at=now,
        subject=draft.subject,
        time=draft.time,
        datacontenttype=draft.datacontenttype,
        dataschema=draft.dataschema,
        data=draft.data,
        data_base64=draft.data_base64,
        extensions=draft.extensions,
        traceparent=_traceparent(draft) or caller.traceparent,
        waiter=waiter,
    )


def _traceparent(draft: Draft) -> str | None:
    """The trace that the event's producer began (CloudEvents, Distributed Tracing extension)."""
    own = draft.extensions.get("traceparent")
    return own if isinstance(own, str) and Trace.is_traceparent(own) else None
