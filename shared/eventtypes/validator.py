"""Events' data against a compiled schema."""

import math
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

import jsonschema_rs
import msgspec

from shared.events.faults import UNREADABLE
from shared.kit.errors import Fault
from shared.kit.pointer import below

MAX_FAULTS = 20
MAX_DATA_DEPTH = 128
REGEX_BYTES = 1024 * 1024
"""Of a compiled pattern: `^[^/]{1,255}$` needs half of it, because it is about all of Unicode."""

# Linear time: this engine has no backtracking, and so neither look-around nor back-references.
_PATTERNS = jsonschema_rs.RegexOptions(size_limit=REGEX_BYTES, dfa_size_limit=REGEX_BYTES // 4)

# A pattern's syntax, as far as what is repeated depends on it (docs.rs/regex, "Syntax").
_COUNT = r"\{\s*(?P<least>[0-9]*)\s*(?P<open>,\s*(?P<most>[0-9]*)\s*)?\}"
_COUNTS = re.compile(_COUNT)
_PIECE = re.compile(
    rf"(?P<count>{_COUNT})|(?P<loop>[*+?])|(?P<closes>\))|(?P<flags>\(\?[a-zA-Z-]+\))"
    r"|(?P<opens>\((?:\?(?:P?<(?:[=!]|[^>]*>)|[=!]|[a-zA-Z-]*:))?)"
    r"|(?P<class>\[\^?(?:\\.|[^\]\\])*\])"
    r"|(?P<atom>\\(?:[pP]\{[^{}]*\}|[xuU]\{[0-9a-fA-F]+\}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)|.)",
    re.S,
)
# What may hide brackets: comments, and a class that begins with the bracket that ends others.
_UNCLEAR = re.compile(r"\(\?[a-zA-Z-]*x|\[\^?\]")

# By keyword, what to do. Limits are the schema's; what was sent is never repeated.
_RULES = {
    "type": "Use a value of type {types}.",
    "required": "A member that is required is missing.",
    "enum": "Use one of the values that are listed.",
    "const": "Use the value that is asked for.",
    "maximum": "Use at most {limit}.",
    "exclusiveMaximum": "Use less than {limit}.",
    "minimum": "Use at least {limit}.",
    "exclusiveMinimum": "Use more than {limit}.",
    "multipleOf": "Use a multiple of {multiple_of}.",
    "maxLength": "Use at most {limit} characters.",
    "minLength": "Use at least {limit} characters.",
    "maxItems": "Use at most {limit} items.",
    "minItems": "Use at least {limit} items.",
    "maxProperties": "Use at most {limit} members.",
    "minProperties": "Use at least {limit} members.",
    "uniqueItems": "Use items that differ.",
    "contains": "An item that is asked for is missing, or there are too many.",
    "pattern": "Use a text that fits the pattern.",
    "format": "Use a text of the format that is asked for.",
    "anyOf": "This fits none of the schemas that it may fit.",
    "oneOf": "Fit exactly one of the schemas that this may fit.",
    "not": "This fits a schema that it must not fit.",
    "propertyNames": "A member may not be named so.",
    "additionalProperties": "This member is not known here.",
    "unevaluatedProperties": "This member is not known here.",
    "falseSchema": "Nothing is allowed here.",
}
_OTHERWISE = "This is not what the schema asks for."
_MEMBERS = ("additionalProperties", "unevaluatedProperties")
_REFUSALS = (*_MEMBERS, "items", "unevaluatedItems")  # a false below one of these has that keyword's name


class Validator:
    """A compiled schema. `format` is asserted, where the format is known.

    Raises:
        ValueError: this is no schema of draft 2020-12, or refers to another document.
    """

    def __init__(self, schema: Any) -> None:
        if isinstance(schema, dict):
            schema = {name: value for name, value in schema.items() if name != "$id"}  # nothing is looked up by it
        self._asks_nothing = schema in (True, {})
        self._compiled = jsonschema_rs.Draft202012Validator(
            schema, validate_formats=True, offline=True, pattern_options=_PATTERNS
        )

    def faults(self, data: bytes | None, at: str) -> list[Fault]:
        """The faults of `data` (JSON; None: there is none), pointers below `at`, at most 20."""
        if data is None:
            return [] if self._asks_nothing else [Fault(at, "required", "This type's events have data.")]
        try:
            value = msgspec.json.decode(data)
        except UNREADABLE:
            return [Fault(at, "json", "This cannot be read as JSON.")]
        if data.count(b"{") + data.count(b"[") > MAX_DATA_DEPTH and _is_deep(value):
            return [Fault(at, "nesting", f"Nest data of this type at most {MAX_DATA_DEPTH} levels deep.")]
        if self._compiled.is_valid(value):  # 1.6 us for 1 KB; what it costs to say what is wrong is paid only then
            return []
        return list(
            islice(
                (fault for error in self._compiled.iter_errors(value) for fault in faults_of(error, value, at)),
                MAX_FAULTS,
            )
        )


def states(pattern: str) -> int:
    """How many states `pattern` has when its counts are written out: `(ab{3}){2,}` has 15. Never too few.

    An engine without backtracking may be in all of them at once, at every character: 5,000 took 16 s for 250 kB.
    Each atom, group and alternative is one. `pattern` need not be a regular expression.
    """
    if _UNCLEAR.search(pattern):
        return _most_states(pattern)
    sums = [0]  # of the groups that are open
    last = 0  # of what a count would repeat
    for piece in _PIECE.finditer(pattern):
        match piece.lastgroup:
            case "count":
                sums[-1] += last * (_times(piece) - 1)
                last *= _times(piece)
            case "loop":
                pass  # it leads back, and adds nothing
            case "opens":
                sums.append(1)
            case "closes" if len(sums) == 1:
                return _most_states(pattern)
            case "closes":
                last = sums.pop()
                sums[-1] += last
            case _:
                last = 1
                sums[-1] += 1
    return sums[0] if len(sums) == 1 else _most_states(pattern)


def _times(count: re.Match[str]) -> int:
    """How often a count has what it repeats: `{2,}` is two, and one that leads back."""
    least, most = int(count["least"] or 0), int(count["most"] or 0)
    return max(1, most or least + (count["open"] is not None and not count["most"]))


def _most_states(pattern: str) -> int:
    """As if every count repeated everything."""
    return len(pattern) * math.prod(_times(count) for count in _COUNTS.finditer(pattern))


def faults_of(error: jsonschema_rs.ValidationError, value: Any, at: str) -> Iterator[Fault]:
    """What a validator found in `value`, pointers below `at`, in our words: its own repeat the value."""
    pointer = at
    for step in error.instance_path:
        pointer = below(pointer, str(step))
        value = value[step]
    said = error.kind.as_dict()
    name = error.kind.name
    *_, above, last = None, None, *error.schema_path
    if name == "falseSchema" and last in _REFUSALS and above != "properties":
        name = str(last)
    detail = _RULES.get(name, _OTHERWISE).format_map({"types": " or ".join(said.get("types", ()))} | said)
    places = [pointer]
    if name in _MEMBERS:
        unknown = said.get("unexpected", value)  # where no member may be, each is one too many
        places = [below(pointer, member) for member in unknown] or places
    elif name == "required":
        places = [below(pointer, str(said["property"]))]  # the schema's word, not the sender's
    elif name == "propertyNames":
        places = [below(pointer, str(said["error"].instance))]
    for place in places:
        yield Fault(place, name, detail)


def _is_deep(value: Any) -> bool:
    """Whether `value` nests too deeply. A validator goes down by recursion: beyond some thousand calls it crashes."""
    level = [value]
    for _ in range(MAX_DATA_DEPTH + 1):
        inside: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                inside += each.values()
            elif isinstance(each, list):
                inside += each
        if not inside:
            return False
        level = inside
    return True
