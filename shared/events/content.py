"""What JSON allows and storage does not: found before the event is accepted, because afterwards it would be too late.

PostgreSQL's jsonb refuses U+0000 in strings and numbers beyond `numeric`, and writes numbers out in full: the seven
bytes of `1e99999` would come back as 100 kB. Numbers are therefore held to the range of a double, and all of an event's
together to what an event may hold.
"""

import json
import re
from collections.abc import Iterator

from shared.events.limits import MAX_EVENT_BYTES
from shared.kit.errors import Fault
from shared.kit.pointer import escape

_MAX_EXPONENT = 308  # a double's, IEEE 754 binary64
_MAX_DIGITS = 400
_EXPONENT = rb"(?:^|[\s:,\[])-?[0-9][0-9.]*[eE][+-]?[0-9]{2}"  # anchored: hexadecimal digests are full of 3e45
_SUSPECT = re.compile(rb"\\u0000|[0-9.]{300}|" + _EXPONENT)

type Json = bool | str | list["Json"] | dict[str, "Json"] | "_Number" | None


class _Number:
    """A number, as far as storage minds it: its length when written out, and whether it is within range."""

    def __init__(self, text: str) -> None:
        mantissa, _, exponent = text.lower().partition("e")
        digits = len(mantissa.lstrip("-").partition(".")[0])
        magnitude = digits + (int(exponent or 0) if len(exponent) < 6 else _MAX_DIGITS)
        self.within = len(text) <= _MAX_DIGITS and abs(magnitude) <= _MAX_EXPONENT
        self.length = max(len(text), abs(magnitude))


def faults_in(data: bytes, at: str) -> list[Fault]:
    """Every place in `data` (valid JSON in UTF-8, or nothing) that storage would refuse, as pointers below `at`.

    One regular expression passes over the bytes; only a suspect is parsed.
    """
    if not _SUSPECT.search(data):
        return []
    numbers: list[_Number] = []

    def number(text: str) -> _Number:
        numbers.append(_Number(text))
        return numbers[-1]

    try:
        value: Json = json.loads(data, parse_int=number, parse_float=number)
        faults = list(_walk(value, at))
    except RecursionError:
        return [Fault(at, "nesting", "Nest arrays and objects less deeply.")]
    if not faults and sum(number.length for number in numbers) > MAX_EVENT_BYTES:
        faults.append(Fault(at, "number", f"Keep all numbers, written out, within {MAX_EVENT_BYTES} bytes."))
    return faults


def _walk(value: Json, at: str) -> Iterator[Fault]:
    match value:
        case str():
            if "\0" in value:
                yield Fault(at, "nul", "Remove the character U+0000: it cannot be stored.")
        case _Number():
            if not value.within:
                yield Fault(at, "number", "Use a number within the range of a double, with at most 400 digits.")
        case list():
            for index, item in enumerate(value):
                yield from _walk(item, f"{at}/{index}")
        case dict():
            for name, item in value.items():
                if "\0" in name:
                    yield Fault(at, "nul", "Remove the character U+0000 from a member's name: it cannot be stored.")
                yield from _walk(item, f"{at}/{escape(name)}")
        case _:
            return
