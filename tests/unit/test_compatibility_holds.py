"""What is called compatible is compatible: the validator itself is the judge."""

import copy
import itertools
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator

from shared.eventtypes.compatibility import breaks
from shared.eventtypes.schema import schema_faults

_SCALARS: st.SearchStrategy[Any] = st.sampled_from([None, True, False, 0, 1, 1.0, 2.5, -3, "", "a", "abc"])
_NAMES = st.sampled_from(["a", "b", "x1"])
_TYPES = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])
_VALUES: list[Any] = [None, True, 0, 2.5, "a", ["a"], {"a": 1}]
# Small ones, one after the other: a difference between two small schemas shows in one of them, if it shows at all.
INSTANCES: list[Any] = [
    *(None, True, False, 0, 1, 1.0, 2, 2.5, -3, "", "a", "b", "abc", "abcd"),
    *(list(items) for length in range(4) for items in itertools.product(_VALUES[:: 1 + length // 2], repeat=length)),
    *(
        {name: value for name, value in zip(("a", "b", "x1"), values, strict=True) if value != "absent"}
        for values in itertools.product(["absent", *_VALUES], repeat=3)
    ),
]
_SMALL = st.integers(0, 3)


def _object(inside: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    keywords: dict[str, st.SearchStrategy[Any]] = {
        "type": _TYPES | st.lists(_TYPES, min_size=1, max_size=3, unique=True),
        "enum": st.lists(st.sampled_from(INSTANCES[:25]), max_size=3),
        "const": _SCALARS,
        "minimum": _SMALL,
        "exclusiveMaximum": _SMALL,
        "minLength": _SMALL,
        "maxLength": _SMALL,
        "minItems": _SMALL,
        "maxItems": _SMALL,
        "minProperties": _SMALL,
        "uniqueItems": st.booleans(),
        "multipleOf": st.sampled_from([1, 2]),
        "pattern": st.sampled_from(["^a", "b"]),
        "required": st.lists(_NAMES, max_size=2, unique=True),
        "properties": st.dictionaries(_NAMES, inside, max_size=2),
        "patternProperties": st.dictionaries(st.sampled_from(["^x", "a"]), inside, max_size=1),
        "additionalProperties": inside,
        "unevaluatedProperties": inside,
        "propertyNames": inside,
        "dependentRequired": st.dictionaries(_NAMES, st.lists(_NAMES, max_size=1), max_size=1),
        "items": inside,
        "prefixItems": st.lists(inside, min_size=1, max_size=2),
        "contains": inside,
        "minContains": _SMALL,
        "unevaluatedItems": inside,
        "anyOf": st.lists(inside, min_size=1, max_size=2),
        "oneOf": st.lists(inside, min_size=1, max_size=2),
        "allOf": st.lists(inside, min_size=1, max_size=2),
        "not": inside,
        "if": inside,
        "then": inside,
        "else": inside,
        "$ref": st.sampled_from(["#/$defs/d", "#/$defs/e"]),
        "title": st.just("t"),
    }
    chosen = st.lists(st.sampled_from(sorted(keywords)), max_size=3, unique=True)
    return chosen.flatmap(lambda names: st.fixed_dictionaries({name: keywords[name] for name in names}))


_SCHEMAS = st.recursive(st.booleans() | _object(st.booleans()), _object, max_leaves=5)
_ROOTS = st.builds(
    lambda root, d, e: root | {"$defs": {"d": d, "e": e}}, _object(_SCHEMAS), _object(st.booleans()), st.booleans()
)


@st.composite
def _changes(draw: Any) -> tuple[Any, Any]:
    """A schema and a change of it: two at random have nothing in common, and are never compatible."""
    old = draw(_ROOTS)
    new = copy.deepcopy(old)
    for _ in range(draw(st.integers(1, 3))):
        places = [new]
        for place in places:
            places += [each for each in _children(place) if isinstance(each, dict)]
        place = draw(st.sampled_from(places))
        removable = sorted(set(place) - {"$defs", "d", "e"})
        if removable and draw(st.booleans()):
            del place[draw(st.sampled_from(removable))]
        elif place is not new["$defs"] and set(place) != {"d", "e"}:
            place.update(draw(_object(_SCHEMAS)))
    return (old, new) if draw(st.booleans()) else (new, old)


def _children(schema: dict[str, Any]) -> list[Any]:
    found: list[Any] = []
    for value in schema.values():
        if isinstance(value, dict):
            found.append(value)
        elif isinstance(value, list):
            found += value
    return found


def _taken(schema: Any) -> bool:
    return schema_faults(msgspec.json.encode(schema), "") == []


@settings(max_examples=1500, derandomize=True)
@given(change=_changes())
def test_what_is_called_compatible_takes_whatever_was_taken(change: tuple[Any, Any]) -> None:
    old, new = change
    if not (_taken(old) and _taken(new)) or breaks(old, new):
        return
    before, after = (Draft202012Validator(schema, validate_formats=True, offline=True) for schema in (old, new))
    for instance in INSTANCES:
        assert not before.is_valid(instance) or after.is_valid(instance), (old, new, instance)


@settings(max_examples=200, derandomize=True)
@given(schema=_ROOTS)
def test_a_schema_is_compatible_with_itself(schema: Any) -> None:
    if _taken(schema):
        assert breaks(schema, copy.deepcopy(schema)) == []
