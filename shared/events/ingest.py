"""Accepting events: stamped, appended to the log, and receipted."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

from shared.events.draft import Draft
from shared.events.model import Appended, Event, NotAppended, event_key
from shared.events.ports import EventLog
from shared.kit.clock import Clock
from shared.kit.ids import uuid7

DEFAULT_SOURCE = "/v1/events"
"""The source of an event in the plain form whose sender names none: the place that it came in by."""


class Receipt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one event. `accepted` is durable; `retry` means unknown: send the event again, with this id."""

    id: str
    status: Literal["accepted", "retry"]
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    position: str | None = None


class Ingest:
    """Takes drafts in and appends them to the log of `topic`."""

    def __init__(self, log: EventLog, clock: Clock, *, topic: str) -> None:
        self._log = log
        self._clock = clock
        self._topic = topic

    async def accept(
        self, drafts: Sequence[Draft], *, tenant: str, principal: str, traceparent: str | None
    ) -> list[Receipt]:
        """Append `drafts` in their order and answer for each, in the same order.

        All are stamped with one received time. Returns within the log's own bound and does not raise for an absent
        log: its events are `retry`.
        """
        now = self._clock.now()
        events = [_stamp(draft, now, tenant=tenant, principal=principal, traceparent=traceparent) for draft in drafts]
        answers = await self._log.append(events)
        return [self._receipt(event, answer) for event, answer in zip(events, answers, strict=True)]

    def _receipt(self, event: Event, answer: Appended | NotAppended) -> Receipt:
        match answer:
            case Appended(position):
                return Receipt(
                    id=event.id,
                    status="accepted",
                    topic=self._topic,
                    partition=position.partition,
                    offset=position.offset,
                    position=str(position),
                )
            case NotAppended():
                return Receipt(id=event.id, status="retry")


def _stamp(draft: Draft, now: datetime, *, tenant: str, principal: str, traceparent: str | None) -> Event:
    source = draft.source or DEFAULT_SOURCE
    id_ = draft.id or str(uuid7(now))
    return Event(
        key=event_key(tenant, source, id_),
        tenant=tenant,
        principal=principal,
        id=id_,
        source=source,
        type=draft.type,
        partition_key=draft.key or draft.subject or id_,
        received_at=now,
        subject=draft.subject,
        time=draft.time,
        datacontenttype=draft.datacontenttype,
        dataschema=draft.dataschema,
        data=draft.data,
        data_base64=draft.data_base64,
        extensions=draft.extensions,
        traceparent=traceparent,
    )
