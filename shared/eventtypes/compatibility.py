"""Whether one schema takes whatever another takes.

Keywords are compared one by one. That is decided for the keywords that say something by themselves; a difference in any
other is reported as undecided, and counts as a break: a promise is kept or it is not, and a guess is neither.
"""

import math
from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec

from shared.eventtypes.document import Document
from shared.kit.pointer import below

MAX_BREAKS = 100
_MAX_COMPARISONS = 5000  # a schema has 2,000 objects at most; trials of branches may need several each
_MAX_DEPTH = 64
_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
# They say nothing about what is valid, or are looked at where they are used.
_SILENT = frozenset(
    {"title", "description", "$comment", "examples", "default", "deprecated", "readOnly", "writeOnly", "$schema"}
    | {"$id", "$anchor", "$defs", "definitions", "contentMediaType", "contentEncoding", "contentSchema"}
)
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
# Each means something together with the others of its row: undecided unless the whole row is the same.
_TOGETHER = (
    ("contains", "minContains", "maxContains"),
    ("if", "then", "else"),
    ("dependentRequired",),
    ("dependentSchemas",),
    ("propertyNames",),
    ("multipleOf",),
    ("pattern",),
    ("format",),
    ("oneOf",),
    ("not",),
)
_UNEVALUATED = ("unevaluatedProperties", "unevaluatedItems")  # they depend on all that stands beside them
_DECIDED = frozenset(
    {*_UPPER, *_LOWER, *_UNEVALUATED, "type", "enum", "const", "uniqueItems", "required", "properties", "anyOf"}
    | {"additionalProperties", "patternProperties", "items", "prefixItems", "allOf", "$ref"}
    | {name for row in _TOGETHER for name in row}
)


class Break(msgspec.Struct, frozen=True):
    """One promise that is broken: where in the schema that is narrower, by which keyword, in words."""

    pointer: str
    code: str
    detail: str


def breaks(old: Any, new: Any) -> list[Break]:
    """Why `new` may refuse something that `old` takes; nothing if it takes all of it. At most 100.

    Both are schemas that `schema_faults` has nothing against.
    """
    return list(islice(_Comparison(old, new).compare(old, new, "", 0), MAX_BREAKS))


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are one: in Python True is 1, in JSON it is not."""
    return _text(one) == _text(other)


class _Comparison:
    def __init__(self, old: Any, new: Any) -> None:
        self._old = Document(old)
        self._new = Document(new)
        self._equal_definitions = _have_equal_definitions(self._old, self._new)
        self._seen: set[tuple[int, int]] = set()
        self._left = _MAX_COMPARISONS

    def compare(self, old: Any, new: Any, at: str, depth: int) -> Iterator[Break]:
        if new is True or new == {} or old is False:
            return
        if self._same(old, new):
            return
        old, new = _resolved(old, self._old), _resolved(new, self._new)
        if new is True or new == {} or old is False:
            return
        if new is False:
            yield Break(at, "false", "Nothing is taken here any more.")
            return
        self._left -= 1
        if depth > _MAX_DEPTH or self._left < 0 or old is None or new is None:
            yield Break(at, "undecided", "Whether this is compatible cannot be decided.")
            return
        if (id(old), id(new)) in self._seen:
            return  # a recursive schema: this pair is being looked at already
        self._seen.add((id(old), id(new)))
        before: dict[str, Any] = {} if old is True else old
        yield from self._values(before, new, at)
        yield from self._rest(before, new, at)
        yield from self._branches(old, before, new, at, depth)
        yield from self._members(before, new, at, depth)
        yield from self._items(before, new, at, depth)

    def _takes(self, old: Any, new: Any, depth: int) -> bool:
        """Whether `new` takes all of `old`, as a trial: what is seen on the way to a no must not count as a yes."""
        seen = set(self._seen)
        found = next(self.compare(old, new, "", depth), None)
        self._seen = seen
        return found is None

    def _values(self, old: dict[str, Any], new: dict[str, Any], at: str) -> Iterator[Break]:
        lost = _types(old) - _types(new, listed=False)
        if lost:
            yield Break(below(at, "type"), "type", f"No longer taken: {', '.join(sorted(lost))}.")
        listed = _values(old)
        for name in ("enum", "const"):
            if name in new:
                allowed = {_text(value) for value in (new["enum"] if name == "enum" else [new["const"]])}
                if listed is None or any(_text(value) not in allowed for value in listed):
                    yield Break(below(at, name), name, "Values that were taken are not listed any more.")
        yield from _limits(old, new, at)
        if new.get("uniqueItems") is True and old.get("uniqueItems") is not True:
            yield Break(below(at, "uniqueItems"), "uniqueItems", "Equal items were taken.")

    def _rest(self, old: dict[str, Any], new: dict[str, Any], at: str) -> Iterator[Break]:
        """Keywords that are the same or undecided. One that is gone, with its whole row, asks for nothing."""
        for row in (*_TOGETHER, *((name,) for name in sorted(new.keys() - _DECIDED - _SILENT))):
            given = [name for name in row if name in new]
            if given and not all(self._same_member(old, new, name) for name in row):
                yield Break(below(at, given[0]), "undecided", "This keyword is new or says something else than it did.")
        for name in _UNEVALUATED:
            if new.get(name, True) is True:
                continue
            if not all(self._same_member(old, new, each) for each in (old.keys() | new.keys()) - _SILENT):
                yield Break(below(at, name), "undecided", "Something has changed beside this keyword.")

    def _branches(self, whole: Any, old: dict[str, Any], new: dict[str, Any], at: str, depth: int) -> Iterator[Break]:
        for index, each in enumerate(new.get("allOf", ())):
            candidates = [*old.get("allOf", ()), whole]
            if not any(self._takes(before, each, depth + 1) for before in candidates):
                where = below(below(at, "allOf"), str(index))
                yield Break(where, "undecided", "This branch is new or may refuse what was taken.")
        if "anyOf" in new:
            for before in old.get("anyOf", (whole,)):
                if not any(self._takes(before, each, depth + 1) for each in new["anyOf"]):
                    yield Break(below(at, "anyOf"), "anyOf", "No branch takes all that was taken by one before.")
                    return

    def _members(self, old: dict[str, Any], new: dict[str, Any], at: str, depth: int) -> Iterator[Break]:
        before, after = old.get("properties", {}), new.get("properties", {})
        for name in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
            yield Break(below(at, "required"), "required", f"Member {below('', name)} was optional.")
        rest_before, rest_after = old.get("additionalProperties", True), new.get("additionalProperties", True)
        if old.get("patternProperties") or new.get("patternProperties"):
            names = ("patternProperties", "properties", "additionalProperties")
            if not all(self._same_member(old, new, name) for name in names):
                yield Break(below(at, "patternProperties"), "undecided", "Members beside patterns have changed.")
            return
        for name in after:
            where = below(below(at, "properties"), name)
            yield from self.compare(before.get(name, rest_before), after[name], where, depth + 1)
        for name in before.keys() - after.keys():
            yield from self.compare(before[name], rest_after, below(at, "additionalProperties"), depth + 1)
        yield from self.compare(rest_before, rest_after, below(at, "additionalProperties"), depth + 1)

    def _items(self, old: dict[str, Any], new: dict[str, Any], at: str, depth: int) -> Iterator[Break]:
        before, after = old.get("prefixItems", []), new.get("prefixItems", [])
        rest_before, rest_after = old.get("items", True), new.get("items", True)
        for index in range(max(len(before), len(after))):
            known = index < len(after)
            where = below(below(at, "prefixItems"), str(index)) if known else below(at, "items")
            one = before[index] if index < len(before) else rest_before
            yield from self.compare(one, after[index] if known else rest_after, where, depth + 1)
        yield from self.compare(rest_before, rest_after, below(at, "items"), depth + 1)

    def _same_member(self, old: dict[str, Any], new: dict[str, Any], name: str) -> bool:
        if name not in old or name not in new:
            return name not in old and name not in new
        return self._same(old[name], new[name])

    def _same(self, old: Any, new: Any) -> bool:
        """Equal in words; and where the words point elsewhere, that is equal too."""
        text = _text(new)
        return _text(old) == text and (self._equal_definitions or b'"$ref"' not in text)


def _have_equal_definitions(old: Document, new: Document) -> bool:
    """Whether what is referred to is in both the same: definitions alone, and the same ones."""
    if same(old.root, new.root):
        return True
    if not isinstance(old.root, dict) or not isinstance(new.root, dict):
        return False
    names = ("$defs", "definitions")
    references = [
        str(schema["$ref"]) for document in (old, new) for _, schema in document.schemas() if "$ref" in schema
    ]
    inside = tuple(f"#/{name}/" for name in names)
    return all(reference.startswith(inside) for reference in references) and all(
        same(old.root.get(name), new.root.get(name)) for name in names
    )


def _resolved(schema: Any, document: Document) -> Any:
    """What the schema stands for. None where that cannot be told: there are keywords beside a reference."""
    while isinstance(schema, dict) and "$ref" in schema:  # no circle: such schemas are not taken
        if schema.keys() - {"$ref"} - _SILENT:
            return None
        schema = document.target(schema["$ref"])
    return schema


def _limits(old: dict[str, Any], new: dict[str, Any], at: str) -> Iterator[Break]:
    for name in _UPPER:
        if new.get(name, math.inf) < old.get(name, math.inf):
            yield Break(below(at, name), name, "The limit is lower than it was.")
    for name in _LOWER:
        lowest = 0 if name in ("minLength", "minItems", "minProperties") else -math.inf
        if new.get(name, lowest) > old.get(name, lowest):
            yield Break(below(at, name), name, "The limit is higher than it was.")


def _types(schema: dict[str, Any], *, listed: bool = True) -> set[str]:
    """The types that may be taken; `number` takes integers too. With `listed`, only those of the values listed."""
    given = schema.get("type", _TYPES)
    types = {given} if isinstance(given, str) else set(given)
    if "number" in types:
        types.add("integer")
    values = _values(schema) if listed else None
    return types if values is None else types & {_type(value) for value in values}


def _type(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "integer" if value.is_integer() else "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _values(schema: dict[str, Any]) -> list[Any] | None:
    """The values that are listed, or None where all are taken that the other keywords take."""
    if "const" in schema:
        return [schema["const"]]
    listed: list[Any] | None = schema.get("enum")
    return listed


def _text(value: Any) -> bytes:
    return msgspec.json.encode(value, order="sorted")
