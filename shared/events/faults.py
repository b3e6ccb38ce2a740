"""What a decoder found wrong, in our words: they name types, limits and member names, never values."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from shared.events.limits import MAX_NESTING
from shared.kit.errors import Fault, Invalid, Malformed, TooLarge, Unprocessable
from shared.kit.pointer import escape

UNREADABLE = (msgspec.DecodeError, RecursionError)
"""What decoding raises: the second at some 10,000 levels of nesting."""

# What msgspec says of a fault, and what is passed on.
_RULES: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (re.compile(r"unknown field `(?P<name>.*)`", re.S), "unknown_field", "This member is not known here."),
    (re.compile(r"missing required field `(?P<name>.*)`"), "required", "This member is required."),
    (re.compile(r"matching regex"), "characters", "Remove control characters."),
    (re.compile(r"Expected (?P<rule>.*), got .*", re.S), "type", "Expected {rule}."),
    (re.compile(r"Expected (?P<rule>`str` of length [<>]= \d+)"), "length", "Expected {rule}."),
    (re.compile(r"RFC3339|timezone"), "time", "Use an RFC 3339 date and time with an offset."),
    (re.compile(r"\(byte (?P<rule>\d+)\)"), "json", "This is not JSON (see byte {rule})."),
    (re.compile(r"truncated"), "json", "This is not JSON (it ends too early)."),
    (re.compile(r"Invalid enum value"), "value", "This value is not among those that are allowed."),
)


def fault_of(error: msgspec.DecodeError | RecursionError, at: str) -> Fault:
    """The fault behind `error`, which decoding raised for the value that `at` points to."""
    if isinstance(error, RecursionError):
        return Fault(at, "nesting", f"Nest arrays and objects at most {MAX_NESTING} levels deep.")
    said, _, path = str(error).partition(" - at `$")
    place = at + "".join(f"/{step}" for step in re.findall(r"\w+", path))
    for pattern, code, detail in _RULES:
        if match := pattern.search(said):
            groups: dict[str, Any] = match.groupdict()
            return Fault(
                f"{place}/{escape(groups['name'])}" if "name" in groups else place,
                code,
                detail.format(rule=str(groups.get("rule", "")).replace("`", "")),
            )
    return Fault(place, "value", "This value is not allowed here.")


_KINDS: dict[str, type[Invalid]] = {"json": Malformed, "utf8": Malformed, "event_too_large": TooLarge}


def refusal_of(detail: str, faults: Sequence[Fault]) -> Invalid:
    """The failure that `faults` amount to: Unprocessable, where they are not all of one kind that says more."""
    kinds = {_KINDS.get(fault.code, Unprocessable) for fault in faults}
    kind = kinds.pop() if len(kinds) == 1 else Unprocessable
    return kind(detail, faults=tuple(faults))
