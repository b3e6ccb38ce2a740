"""One request on its way in: what it holds, what is let in, and what became of each event."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from shared.events.admission import (
    Admitted,
    Claimed,
    Fresh,
    Known,
    Throttled,
)
from shared.events.draft import Draft, Rejected
from shared.events.model import Event, event_key, written
from shared.events.receipts import Accepted, Receipt, Status
from shared.events.rules import DEFAULT_WINDOW_SECONDS, Rule, Ruleset
from shared.kit.clock import DAY_SECONDS
from shared.kit.errors import Fault, Unprocessable
from shared.kit.ids import uuid7, uuid8
from shared.kit.trace import Trace

DEFAULT_SOURCE = "/v1/events"
"""The source of an event in the plain form whose sender names none: the place that it came in by."""


class Caller(msgspec.Struct, frozen=True):
    """Who sends, and in which trace: what the server stamps on each event.

    `request_key` is the same for a request that is sent again: so are the ids then that the server gives its events.
    """

    tenant: str
    principal: str
    traceparent: str
    request_key: str | None = None


class Candidate(msgspec.Struct, frozen=True):
    """An event that may come in: its place in the request, and what its type says of it."""

    index: int
    event: Event
    window_seconds: int
    warnings: tuple[Fault, ...]

    def receipt(self, status: Status, **fields: object) -> Receipt:
        """Its receipt, with the warnings of its type."""
        return Receipt(id=self.event.id, status=status, warnings=self.warnings, **fields)  # type: ignore[arg-type]

    def received(self, moment: datetime) -> "Candidate":
        """The same, received at another moment."""
        return msgspec.structs.replace(self, event=msgspec.structs.replace(self.event, received_at=moment))


class LetIn(msgspec.Struct, frozen=True):
    """A candidate to be appended; `behind` older events of its key that are in the spool."""

    candidate: Candidate
    behind: bool


class Intake:
    """One request on its way: which of its events are candidates, and the receipts so far, by their index."""

    def __init__(self, now: datetime, caller: Caller, ruleset: Ruleset, *, waiter: str | None) -> None:
        self.caller = caller
        self.claim = secrets.token_hex(8)
        self.candidates: list[Candidate] = []
        self.receipts: dict[int, Receipt] = {}
        self.left_out: list[UUID] = []
        self.dedup_lost = False
        self._now = now
        # On its day an event meets its own row: without its receipt it would be accepted then, and thrown away.
        self._rest_of_day = DAY_SECONDS - (now.hour * 60 + now.minute) * 60 - now.second
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
                self.candidates.append(Candidate(index, event, max(window, self._rest_of_day), faults))

    def _minted_id(self, index: int) -> str:
        """The id of an event whose sender gave none."""
        key = self.caller.request_key
        return str(uuid7(self._now) if key is None else uuid8(self.caller.tenant, key, str(index)))

    def let_in(self, admitted: Admitted) -> list[LetIn]:
        """The candidates to be appended. One that could not be decided keeps back what follows under its key."""
        found: list[LetIn] = []
        held: set[str] = set()
        for candidate, verdict in zip(self.candidates, admitted.verdicts, strict=True):
            event = candidate.event
            match verdict:
                case Fresh(behind, came) if event.partition_key not in held:
                    found.append(LetIn(candidate if came is None else candidate.received(came), behind))
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
    if rule is None or rule.mode == "off":
        return ()
    if draft.data_base64 is not None:
        return (Fault(f"{draft.at}/data_base64", "type", "This type's events have JSON in data."),)
    data = written(draft.data)
    if data is None and "dataref" in draft.extensions:
        return ()
    return tuple(rule.faults(data, f"{draft.at}/data"))


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
