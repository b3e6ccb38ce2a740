"""Members that an object has twice. RFC 8259 leaves open which of them counts.

In an event's envelope that is a fault: what looked at the event on its way may have read the other one. Within `data`
the last one counts, as PostgreSQL's jsonb has it.

Decoding drops the first of two without a word. Quotes tell: a value has as many as it has, a name has two, so an object
in which they do not add up has a member that was dropped.
"""

import json
from collections import Counter

import msgspec

from shared.events.faults import UNREADABLE
from shared.kit.errors import Fault
from shared.kit.pointer import escape

QUOTE = b'"'

_DECODER = msgspec.json.Decoder(dict[str, msgspec.Raw])


def repeated(body: bytes, at: str) -> list[Fault]:
    """A fault for each name that the object in `body` has more than once. `body` was decoded before."""
    try:
        members = _DECODER.decode(body)
    except UNREADABLE:
        return []  # no object
    if body.count(QUOTE) == quotes_in(members):
        return []
    try:
        pairs: tuple[tuple[str, object], ...] = json.loads(
            body, object_pairs_hook=tuple, parse_int=len, parse_float=len
        )
    except RecursionError:
        return [sent_twice(at)]
    names = Counter(name for name, _ in pairs)
    return [sent_twice(f"{at}/{escape(name)}") for name, times in names.items() if times > 1]


def quotes_in(members: dict[str, msgspec.Raw]) -> int:
    """The quotes of an object that has `members`, provided that no name has an escaped one."""
    return 2 * len(members) + b"".join(members.values()).count(QUOTE)


def sent_twice(at: str) -> Fault:
    """The fault of the member that `at` points to."""
    return Fault(at, "repeated", "Send this member once.")
