"""What somebody asks a job for, as they send it, checked."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from shared.events.faults import UNREADABLE, fault_of
from shared.events.limits import YEARS
from shared.events.model import Moment
from shared.jobs.model import MAX_RATE
from shared.kit.errors import Fault, Malformed, Unprocessable

MOST_IDS = 1000
_DEFAULT_RATE = 1000  # a second: a job shares the log and its consumers with what is new

_Short = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
_Long = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
_Whole = int | float  # 30.0 is an integer in JSON Schema's eyes


class Pace(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every job is asked with: events a second, and whether it only counts."""

    rate: _Whole = _DEFAULT_RATE
    dry_run: bool = False


class LettersWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Dead letters by what they are. `since` and `until` are when they died."""

    code: _Short | None = None
    topic: _Short | None = None
    partition: _Whole | None = None
    type: _Short | None = None
    source: _Long | None = None
    subject: _Long | None = None
    since: Moment | None = None
    until: Moment | None = None


class LettersAsked(Pace, frozen=True, kw_only=True, omit_defaults=True):
    """`ids`, or a `filter`; `{}` is every dead letter."""

    ids: list[UUID] | None = None
    filter: LettersWanted | None = None


class EventsWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Events by what they are."""

    type: _Short | None = None
    source: _Long | None = None
    subject: _Long | None = None


class ReplayAsked(Pace, frozen=True, kw_only=True):
    """Events received from `from` on and before `to`."""

    since: Moment = msgspec.field(name="from")
    until: Moment = msgspec.field(name="to")
    filter: EventsWanted = EventsWanted()
    mode: Literal["if_missing", "force"] = "if_missing"


class ErasureAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose events are to be gone."""

    subject: _Long


def read_letters(body: bytes) -> LettersAsked:
    """Which dead letters.

    Raises:
        Malformed: not JSON in UTF-8.
        Unprocessable: JSON that does not say which, or says it wrongly.
    """
    asked = _read(body, LettersAsked)
    faults = _pace_faults(asked)
    if (asked.ids is None) == (asked.filter is None):
        faults.append(Fault("", "ids_or_filter", "Name letters by ids, or give a filter."))
    if asked.ids is not None and not 1 <= len(asked.ids) <= MOST_IDS:
        faults.append(Fault("/ids", "length", f"Name 1 to {MOST_IDS} letters."))
    if asked.filter is not None:
        faults += _member_faults(asked.filter)
        partition = asked.filter.partition
        if partition is not None and not (0 <= partition < 2**31 and partition == int(partition)):
            faults.append(Fault("/filter/partition", "value", "Use the number of a partition."))
    _refuse(faults)
    return asked


def read_replay(body: bytes) -> ReplayAsked:
    """Which events, and how. Raises as `read_letters`."""
    asked = _read(body, ReplayAsked)
    faults = _pace_faults(asked) + _member_faults(asked.filter)
    times = {"/from": asked.since, "/to": asked.until}
    faults += [Fault(pointer, "time", _YEARS) for pointer, moment in times.items() if moment.year not in YEARS]
    if not faults and asked.since >= asked.until:
        faults.append(Fault("/to", "range", "Use a moment after /from."))
    _refuse(faults)
    return asked


def read_erasure(body: bytes) -> ErasureAsked:
    """Whose events. Raises as `read_letters`."""
    asked = _read(body, ErasureAsked)
    if "\0" in asked.subject:
        _refuse([Fault("/subject", "characters", _NO_ZERO)])
    return asked


_YEARS = "Use a date between the years 2 and 9998."
_NO_ZERO = "Remove U+0000."


def _read[T](body: bytes, kind: type[T]) -> T:
    try:
        body.decode()
        return msgspec.json.decode(body, type=kind)
    except UnicodeDecodeError:
        raise Malformed("The body is not UTF-8.", faults=(Fault("", "utf8", "Send UTF-8."),)) from None
    except UNREADABLE as error:
        fault = fault_of(error, "")
        failure = Malformed if fault.code == "json" else Unprocessable
        raise failure("The body cannot be read.", faults=(fault,)) from None


def _pace_faults(asked: Pace) -> list[Fault]:
    if 1 <= asked.rate <= MAX_RATE and asked.rate == int(asked.rate):
        return []
    return [Fault("/rate", "value", f"Use a whole number of events a second, from 1 to {MAX_RATE}.")]


def _member_faults(wanted: LettersWanted | EventsWanted) -> list[Fault]:
    faults = []
    for name in wanted.__struct_fields__:
        value = getattr(wanted, name)
        if isinstance(value, str) and "\0" in value:
            faults.append(Fault(f"/filter/{name}", "characters", _NO_ZERO))
        if isinstance(value, datetime) and value.year not in YEARS:
            faults.append(Fault(f"/filter/{name}", "time", _YEARS))
    return faults


def _refuse(faults: list[Fault]) -> None:
    if faults:
        raise Unprocessable("The job cannot be begun.", faults=tuple(faults))
