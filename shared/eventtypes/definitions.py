"""A definition and a name as a tenant sends them, checked."""

import re
from collections.abc import Iterator

import msgspec

from shared.events.days import RETENTION_DAYS
from shared.events.draft import Name
from shared.events.faults import UNREADABLE, fault_of
from shared.eventtypes.model import Compatibility, Definition, Mode
from shared.eventtypes.schema import schema_faults
from shared.kit.clock import DAY_SECONDS
from shared.kit.errors import Fault, Malformed, Unprocessable

_POINTER = re.compile(r"(/([^~/\x00-\x1f\x7f]|~[01])*)+")
_MAX_POINTER = 255
_MOST = {"retention_days": 3650, "dedup_window": 7 * DAY_SECONDS}
_DOTS = (".", "..")  # a client makes another path of them


class _Asked(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    schema: msgspec.Raw
    mode: Mode = "enforce"
    compatibility: Compatibility = "backward"
    key_path: str | None = None
    retention_days: int | float = RETENTION_DAYS  # 30.0 is an integer in JSON Schema's eyes
    dedup_window: int | float = DAY_SECONDS


_DECODER = msgspec.json.Decoder(_Asked)


def read_definition(body: bytes) -> Definition:
    """A definition as its sender wrote it.

    Raises:
        Malformed: not JSON in UTF-8.
        Unprocessable: JSON that is no definition, or whose schema is none that is taken here.
    """
    try:
        body.decode()
        asked = _DECODER.decode(body)
    except UnicodeDecodeError:
        raise Malformed("The body is not UTF-8.", faults=(Fault("", "utf8", "Send UTF-8."),)) from None
    except UNREADABLE as error:
        fault = fault_of(error, "")
        kind = Malformed if fault.code == "json" else Unprocessable
        raise kind("The definition cannot be read.", faults=(fault,)) from None
    faults = (*_faults(asked), *schema_faults(bytes(asked.schema), "/schema"))
    if faults:
        raise Unprocessable("The definition cannot be taken.", faults=faults)
    return Definition(
        schema=msgspec.Raw(bytes(asked.schema)),
        mode=asked.mode,
        compatibility=asked.compatibility,
        key_path=asked.key_path,
        retention_days=int(asked.retention_days),
        dedup_window=int(asked.dedup_window),
    )


def _faults(asked: _Asked) -> Iterator[Fault]:
    path = asked.key_path
    if path is not None and (len(path) > _MAX_POINTER or not _POINTER.fullmatch(path)):
        yield Fault(
            "/key_path", "pointer", f"Use a JSON Pointer of at most {_MAX_POINTER} characters, as in /order/id."
        )
    for name, most in _MOST.items():
        value = getattr(asked, name)
        if not (1 <= value <= most and value == int(value)):
            yield Fault(f"/{name}", "value", f"Use a whole number from 1 to {most}.")


def require_name(type_: str) -> str:
    """The name of a type, if it can be defined: a path leads to it, so it has no slash and is no dot segment.

    Raises:
        Unprocessable: it cannot.
    """
    try:
        if "/" not in type_ and type_ not in _DOTS:
            return msgspec.convert(type_, Name)
    except msgspec.ValidationError:
        pass
    fault = Fault("/type", "type", "Name a type with 1 to 255 characters, without slashes and control characters.")
    raise Unprocessable("A type of this name cannot be defined.", faults=(fault,))
