"""What JSON allows and storage does not: found before the event is accepted, because afterwards it would be too late.

PostgreSQL's jsonb refuses U+0000 in strings and numbers beyond `numeric`, and writes numbers out in full: the seven
bytes of `1e99999` would come back as 100 kB. Numbers are therefore held to the range of a double, and all of an event's
together to what an event may hold.

Nesting is bounded too: msgspec gives up near 10,000 levels, at a depth that depends on who calls it, so an event that
was just readable here could be unreadable where it is stored.
"""

import json
import math
import re
from collections.abc import Iterator
from itertools import islice

from shared.events.limits import MAX_EVENT_BYTES, MAX_NESTING
from shared.kit.errors import MAX_FAULTS, Fault
from shared.kit.pointer import below

_MAX_DIGITS = 400  # and the furthest exponent: a double's smallest is 5e-324, IEEE 754 binary64
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.S)

# Bytes by their part in a number: digits, the point and both signs are 0, both letters of an exponent e.
_PARTS = bytes.maketrans(b"123456789.E+-", b"0000000000e00")
_LONG_NUMBER = b"0" * 300
_EXPONENT = b"0e00"  # two digits at least, or a sign and one: one digit alone cannot leave the range
_BEFORE_A_NUMBER = b" \t\r\n:,["

# What a second look needs of numbers, without an object for each: one event holds a hundred thousand.
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.S)
_POWER = re.compile(rb"[eE][+-]?([0-9]+)")
_NUMBER = rb"(?<![-+.0-9eE])-?(?:[0-9][0-9.]*[eE][+-]?[0-9]{2,}|[0-9.]{299,}(?:[eE][+-]?[0-9]+)?)"
_WIDE = re.compile(_NUMBER)  # may be out of range: all others are shorter, and their exponents
_STRING_OR_WIDE = re.compile(_STRING.pattern + b"|" + _NUMBER, re.S)
_NOT_OF_NUMBERS = bytes(set(range(256)) - set(b"0123456789.+-eE"))

# An object is its members one by one: where a name stands twice, storage reads the value that a dictionary would drop.
# A number that is out of range is NaN, which JSON does not have.
type Json = bool | str | int | float | list["Json"] | tuple[tuple[str, "Json"], ...] | None


def is_suspect(text: bytes) -> bool:
    """Whether `text` may hold U+0000, or a number out of range. Strings that look like numbers make suspects too.

    A few passes in C, 1 ns a byte: a regular expression took 35, which was half of a whole request.
    """
    if b"\\" in text and b"\\u0000" in text:
        return True
    parts = text.translate(_PARTS)
    return _LONG_NUMBER in parts or any(_is_number(text, parts, found) for found in _finds(parts))


def _finds(parts: bytes) -> Iterator[int]:
    at = parts.find(_EXPONENT)
    while at >= 0:
        yield at
        at = parts.find(_EXPONENT, at + 1)


def _is_number(text: bytes, parts: bytes, at: int) -> bool:
    """Whether the digits that end at `at` stand where a number may stand: hexadecimal digests are full of 3e45."""
    start = len(parts[max(0, at - _MAX_DIGITS) : at + 1].rstrip(b"0")) + max(0, at - _MAX_DIGITS)
    before = text[start - 1 : start]
    return before == b"" or before in _BEFORE_A_NUMBER


def faults_in(data: bytes, at: str, *, looked_at: bool = False) -> list[Fault]:
    """The first 100 places in `data` (valid JSON in UTF-8, or nothing) that storage would refuse, pointers below `at`.

    Only what has one is parsed. `looked_at`: somebody has seen already that it is none.
    """
    # What is shorter than its limit of brackets cannot nest beyond it.
    if len(data) > MAX_NESTING and data.count(b"[") + data.count(b"{") > MAX_NESTING and _nesting(data) > MAX_NESTING:
        return [Fault(at, "nesting", f"Nest arrays and objects at most {MAX_NESTING} levels deep.")]
    if looked_at or not is_suspect(data):
        return []
    bare = _STRING.sub(b'""', data)
    within = all(map(_is_within, _WIDE.findall(bare)))
    if not within or b"\\u0000" in data:
        try:
            value: Json = json.loads(data if within else _marked(data), object_pairs_hook=tuple)
            faults = list(islice(_walk(value, at), MAX_FAULTS))
        except RecursionError:
            return [Fault(at, "nesting", "Nest arrays and objects less deeply.")]
        if faults:
            return faults
    if _written_out(bare) > MAX_EVENT_BYTES:
        return [Fault(at, "number", f"Keep all numbers, written out, within {MAX_EVENT_BYTES} bytes.")]
    return []


def _is_within(number: bytes) -> bool:
    mantissa, _, exponent = number.lower().partition(b"e")
    if len(number) > _MAX_DIGITS or _power(exponent) > _MAX_DIGITS:
        return False
    value = float(number)
    lost = value == 0 and mantissa.strip(b"-0.") != b""
    return math.isfinite(value) and not lost


def _power(exponent: bytes) -> int:
    """How far the point moves, in either direction."""
    digits = exponent.lstrip(b"+-") or b"0"
    return int(digits) if len(digits) < 6 else _MAX_DIGITS + 1


def _marked(data: bytes) -> bytes:
    """`data` with NaN for each number out of range."""
    return _STRING_OR_WIDE.sub(lambda found: found[0] if found[0][:1] == b'"' or _is_within(found[0]) else b"NaN", data)


def _written_out(bare: bytes) -> int:
    """The length of all numbers in `bare`, JSON without its strings, when they are written out."""
    words = bare.count(b"true") + bare.count(b"false")  # each has an e
    return len(bare.translate(None, _NOT_OF_NUMBERS)) - words + sum(map(_power, _POWER.findall(bare)))


def _nesting(data: bytes) -> int:
    depth = deepest = 0
    for token in _TOKEN.finditer(data):
        match token[0]:
            case b"[" | b"{":
                depth += 1
                deepest = max(deepest, depth)
            case b"]" | b"}":
                depth -= 1
    return deepest


def _walk(value: Json, at: str) -> Iterator[Fault]:
    match value:
        case str() if "\0" in value:
            yield Fault(at, "nul", "Remove the character U+0000: it cannot be stored.")
        case float() if math.isnan(value):
            yield Fault(at, "number", "Use a number within the range of a double, with at most 400 digits.")
        case list():
            for index, item in enumerate(value):
                if _may_be_faulty(item):
                    yield from _walk(item, below(at, str(index)))
        case tuple():
            for name, item in value:
                if "\0" in name:
                    yield Fault(at, "nul", "Remove the character U+0000 from a member's name: it cannot be stored.")
                if _may_be_faulty(item):
                    yield from _walk(item, below(at, name))
        case _:
            return


def _may_be_faulty(value: Json) -> bool:
    """Whether to go there: a pointer and a generator for each of a hundred thousand numbers took most of the time."""
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, float):
        return math.isnan(value)
    return isinstance(value, list | tuple) and len(value) > 0
