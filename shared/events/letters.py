"""Writing the dead letter of a record."""

import re
from datetime import datetime
from typing import Any

import msgspec

from shared.events.dead import DeadLetter
from shared.events.model import Event, RawRecord

NOT_AN_EVENT = "not_an_event"
REFUSED_BY_STORAGE = "refused_by_storage"

_MOST_ATTEMPTS = 1_000_000
_TENANT = re.compile(r"[^\0/]{1,255}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")  # W3C Trace Context, 3.2


class Fault(msgspec.Struct, frozen=True):
    """Why a record can never be stored: a word for programs, a sentence for people. Neither repeats the record."""

    code: str
    reason: str


def letter_of(record: RawRecord, event: Event | None, fault: Fault, *, dead_at: datetime) -> DeadLetter:
    """The letter of `record`, whose `event` is None where it is none.

    What the record says of itself is read as far as it goes, and believed only where it has the form that ours has:
    the tenant by its value, else by its key (`tenant/partition key`), the attempts before this one, and the trace.
    """
    envelope = _envelope(record.value) if event is None else msgspec.structs.asdict(event)
    attempts = envelope.get("attempts", 0)
    is_count = type(attempts) is int and 0 <= attempts < _MOST_ATTEMPTS
    tenant, traceparent = envelope.get("tenant"), envelope.get("traceparent")
    return DeadLetter(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp_ms=record.timestamp_ms,
        code=fault.code,
        reason=fault.reason,
        attempts=attempts + 1 if is_count else 1,
        dead_at=dead_at,
        key=record.key,
        value=record.value,
        tenant=tenant if _has_form(tenant, _TENANT) else _tenant_of(record.key),
        traceparent=traceparent if _has_form(traceparent, _TRACEPARENT) else None,
    )


def _envelope(value: bytes | None) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _tenant_of(key: bytes | None) -> str | None:
    tenant, slash, _ = (key or b"").partition(b"/")
    try:
        named = tenant.decode()
    except UnicodeDecodeError:
        return None
    return named if slash and _has_form(named, _TENANT) else None


def _has_form(text: object, form: re.Pattern[str]) -> bool:
    return isinstance(text, str) and form.fullmatch(text) is not None
