"""Whether one schema takes whatever another takes.

Keywords are compared one by one. That is decided for the keywords that say something by themselves; a difference in any
other is reported as undecided, and counts as a break: a promise is kept or it is not, and a guess is neither.
"""

import math
from collections.abc import Iterator
from typing import Any

import msgspec

from shared.kit.pointer import below

_MAX_BREAKS = 100
_MAX_DEPTH = 64
_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
# They say nothing about what is valid, or are looked at where they are used.
_SILENT = frozenset(
    {"title", "description", "$comment", "examples", "default", "deprecated", "readOnly", "writeOnly", "$schema"}
    | {"$defs", "definitions", "contentMediaType", "contentEncoding", "contentSchema", "$anchor"}
)
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
# Undecided unless they are the same.
_EXACT = (
    *("pattern", "format", "multipleOf", "propertyNames", "contains", "minContains", "maxContains", "not", "if"),
    *("then", "else", "allOf", "anyOf", "oneOf", "prefixItems", "patternProperties", "dependentSchemas"),
    *("dependentRequired", "unevaluatedProperties", "unevaluatedItems", "$dynamicRef", "$dynamicAnchor"),
)
_DECIDED = ("type", "enum", "const", "uniqueItems", "required", "properties", "additionalProperties", "items", "$ref")
_KNOWN = frozenset({*_UPPER, *_LOWER, *_EXACT, *_DECIDED}) | _SILENT


class Break(msgspec.Struct, frozen=True):
    """One promise that is broken: where in the schema that is narrower, by which keyword, in words."""

    pointer: str
    code: str
    detail: str


def breaks(old: Any, new: Any) -> list[Break]:
    """Why `new` may refuse something that `old` takes; nothing if it takes all of it. At most 100."""
    return list(_Comparison(old, new).compare(old, new, "", 0))[:_MAX_BREAKS]


class _Comparison:
    def __init__(self, old: Any, new: Any) -> None:
        self._old = old
        self._new = new
        self._seen: set[tuple[int, int]] = set()

    def compare(self, old: Any, new: Any, at: str, depth: int) -> Iterator[Break]:
        old, new = _resolved(old, self._old), _resolved(new, self._new)
        if old == new and self._old == self._new:
            return
        if old is False or new is True or new == {}:
            return
        if new is False:
            yield Break(at, "false", "Nothing is taken here any more.")
            return
        if depth > _MAX_DEPTH or old is None or new is None:
            yield Break(at, "undecided", "Whether this is compatible cannot be decided.")
            return
        if (id(old), id(new)) in self._seen:
            return  # a recursive schema: this pair is being looked at already
        self._seen.add((id(old), id(new)))
        before: dict[str, Any] = {} if old is True else old
        yield from self._values(before, new, at)
        yield from self._objects(before, new, at, depth)
        yield from self._items(before, new, at, depth)

    def _values(self, old: dict[str, Any], new: dict[str, Any], at: str) -> Iterator[Break]:
        lost = _types(old) - _types(new)
        if lost:
            yield Break(below(at, "type"), "type", f"No longer taken: {', '.join(sorted(lost))}.")
        if (allowed := _values(new)) is not None and not _within(_values(old), allowed):
            name = "enum" if "enum" in new else "const"
            yield Break(below(at, name), name, "Values that were taken are not listed any more.")
        yield from _limits(old, new, at)
        if new.get("uniqueItems") is True and old.get("uniqueItems") is not True:
            yield Break(below(at, "uniqueItems"), "uniqueItems", "Equal items were taken.")
        for name in (*_EXACT, *(new.keys() - _KNOWN)):
            if name in new and not self._same(old.get(name), new[name]):
                yield Break(below(at, name), "undecided", "This keyword is new or says something else than it did.")

    def _objects(self, old: dict[str, Any], new: dict[str, Any], at: str, depth: int) -> Iterator[Break]:
        before, after = old.get("properties", {}), new.get("properties", {})
        for name in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
            yield Break(below(at, "required"), "required", f"Member {below('', name)} was optional.")
        rest_before, rest_after = old.get("additionalProperties", True), new.get("additionalProperties", True)
        patterned = "patternProperties" in old or "patternProperties" in new
        if patterned and (before != after or not self._same(rest_before, rest_after)):
            yield Break(below(at, "patternProperties"), "undecided", "Members beside patterns have changed.")
            return
        for name in after:
            where = below(below(at, "properties"), name)
            yield from self.compare(before.get(name, rest_before), after[name], where, depth + 1)
        for name in before.keys() - after.keys():
            yield from self.compare(before[name], rest_after, below(at, "additionalProperties"), depth + 1)
        yield from self.compare(rest_before, rest_after, below(at, "additionalProperties"), depth + 1)

    def _items(self, old: dict[str, Any], new: dict[str, Any], at: str, depth: int) -> Iterator[Break]:
        yield from self.compare(old.get("items", True), new.get("items", True), below(at, "items"), depth + 1)

    def _same(self, old: Any, new: Any) -> bool:
        """Equal in words; and where the words point elsewhere, that is equal too."""
        return bool(old == new) and ("$ref" not in msgspec.json.encode(new).decode() or self._definitions_are_equal())

    def _definitions_are_equal(self) -> bool:
        return bool(self._old == self._new)


def _resolved(schema: Any, root: Any) -> Any:
    """What the schema stands for. None where that cannot be told: keywords beside a reference, or circles of them."""
    for _ in range(_MAX_DEPTH):
        if not isinstance(schema, dict) or "$ref" not in schema:
            return schema
        if schema.keys() - {"$ref"} - _SILENT:
            return None
        target = root
        reference = schema["$ref"]
        if reference != "#" and not reference.startswith("#/"):
            return None
        for step in reference[2:].split("/") if reference != "#" else ():
            name = step.replace("~1", "/").replace("~0", "~")
            target = target.get(name) if isinstance(target, dict) else None
        schema = target
    return None


def _limits(old: dict[str, Any], new: dict[str, Any], at: str) -> Iterator[Break]:
    for name in _UPPER:
        if new.get(name, math.inf) < old.get(name, math.inf):
            yield Break(below(at, name), name, "The limit is lower than it was.")
    for name in _LOWER:
        if new.get(name, -math.inf) > old.get(name, -math.inf):
            yield Break(below(at, name), name, "The limit is higher than it was.")


def _types(schema: dict[str, Any]) -> set[str]:
    """The types that are taken; `number` takes integers too."""
    given = schema.get("type", _TYPES)
    types = {given} if isinstance(given, str) else set(given)
    return types | {"integer"} if "number" in types else types


def _values(schema: dict[str, Any]) -> list[Any] | None:
    """The values that are listed, or None where all are taken that the other keywords take."""
    if "const" in schema:
        return [schema["const"]]
    listed: list[Any] | None = schema.get("enum")
    return listed


def _within(old: list[Any] | None, allowed: list[Any]) -> bool:
    # By their JSON: in Python True is 1, in JSON it is not.
    written = {msgspec.json.encode(value) for value in allowed}
    return old is not None and all(msgspec.json.encode(value) in written for value in old)
