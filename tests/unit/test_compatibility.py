"""Whether a schema takes whatever another takes: decided by keyword, and never yes where it is no."""

import copy
import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator

from shared.eventtypes.compatibility import MAX_BREAKS, breaks
from shared.eventtypes.schema import schema_faults

MEMBERS: dict[str, Any] = {"a": {"type": "string"}}
A: dict[str, Any] = {"type": "object", "properties": MEMBERS}
CLOSED = A | {"additionalProperties": False}
OPTION = {"type": "string", "maxLength": 5}


def tree(leaf: dict[str, Any]) -> dict[str, Any]:
    node = {"type": "object", "properties": {"value": leaf, "next": {"$ref": "#/$defs/node"}}}
    return {"$ref": "#/$defs/node", "$defs": {"node": node}}


# What is taken before, what is taken after, and what breaks: the pointer and the code of each.
TABLE: dict[str, tuple[Any, Any, list[tuple[str, str]]]] = {
    "nothing changed": (A, A, []),
    "anything, then anything": (True, {}, []),
    "nothing, then something": (False, A, []),
    "anything, then nothing": ({}, False, [("", "false")]),
    "anything, then a type": ({}, {"type": "object"}, [("/type", "type")]),
    "words that say nothing": (A, A | {"title": "t", "description": "d", "examples": [1], "$comment": "c"}, []),
    "a type is widened": ({"type": "integer"}, {"type": "number"}, []),
    "a type is narrowed": ({"type": "number"}, {"type": "integer"}, [("/type", "type")]),
    "a type is added": ({"type": "string"}, {"type": ["string", "null"]}, []),
    "a type is removed": ({"type": ["string", "null"]}, {"type": "string"}, [("/type", "type")]),
    "a type is replaced": ({"type": "string"}, {"type": "integer"}, [("/type", "type")]),
    "a member becomes required": (A, A | {"required": ["a"]}, [("/required", "required")]),
    "a member becomes optional": (A | {"required": ["a"]}, A, []),
    "a member changes": (
        A,
        {"type": "object", "properties": {"a": {"type": "null"}}},
        [("/properties/a/type", "type")],
    ),
    "a closed object gains a member": (CLOSED, CLOSED | {"properties": MEMBERS | {"b": {}}}, []),
    "an open object gains a member": (
        A,
        {"type": "object", "properties": MEMBERS | {"b": {"type": "string"}}},
        [("/properties/b/type", "type")],
    ),
    "an open object gains a member that may be anything": (A, {"properties": MEMBERS | {"b": True}}, []),
    "an open object loses a member": (A, {"type": "object"}, []),
    "a closed object loses a member": (
        CLOSED,
        {"type": "object", "additionalProperties": False},
        [("/additionalProperties", "false")],
    ),
    "an object is closed": (A, CLOSED, [("/additionalProperties", "false")]),
    "an object is opened": (CLOSED, A, []),
    "other members are narrowed": (
        {"additionalProperties": {"type": ["string", "null"]}},
        {"additionalProperties": {"type": "string"}},
        [("/additionalProperties/type", "type")],
    ),
    "a value is listed": ({"enum": ["a"]}, {"enum": ["a", "b"]}, []),
    "a value is no longer listed": ({"enum": ["a", "b"]}, {"enum": ["a"]}, [("/enum", "enum")]),
    "values are listed now": ({"type": "string"}, {"type": "string", "enum": ["a"]}, [("/enum", "enum")]),
    "the listed values get their type": ({"enum": ["a", 1]}, {"type": ["string", "integer"]}, []),
    "a constant becomes one of several": ({"const": 1}, {"enum": [1, 2]}, []),
    "one of several becomes a constant": ({"enum": [1, 2]}, {"const": 1}, [("/const", "const")]),
    "true is not 1": ({"const": True}, {"const": 1}, [("/const", "const")]),
    "false is not 0 in a list": ({"enum": [False]}, {"enum": [0]}, [("/enum", "enum")]),
    "a constant beside a list": ({"const": 1}, {"const": 1, "enum": [2]}, [("/enum", "enum")]),
    "a maximum is raised": ({"maximum": 1}, {"maximum": 2}, []),
    "a maximum is lowered": ({"maximum": 2}, {"maximum": 1}, [("/maximum", "maximum")]),
    "a maximum is new": ({}, {"maximum": 1}, [("/maximum", "maximum")]),
    "a minimum is raised": ({"minimum": 1}, {"minimum": 2}, [("/minimum", "minimum")]),
    "an exclusive minimum is lowered": ({"exclusiveMinimum": 2}, {"exclusiveMinimum": 1}, []),
    "a length is shortened": ({"maxLength": 9}, {"maxLength": 8}, [("/maxLength", "maxLength")]),
    "a length of nothing is asked for": ({}, {"minLength": 0, "minItems": 0, "minProperties": 0}, []),
    "a length of something is asked for": ({}, {"minLength": 1}, [("/minLength", "minLength")]),
    "items are fewer": ({"maxItems": 9}, {"maxItems": 8}, [("/maxItems", "maxItems")]),
    "items must differ": ({}, {"uniqueItems": True}, [("/uniqueItems", "uniqueItems")]),
    "items may be equal": ({"uniqueItems": True}, {"uniqueItems": False}, []),
    "items are narrowed": ({"items": {}}, {"items": {"type": "string"}}, [("/items/type", "type")]),
    "items are widened": ({"items": {"type": "string"}}, {}, []),
    "the first item is narrowed": (
        {"prefixItems": [{}, {}]},
        {"prefixItems": [{"type": "null"}, {}]},
        [("/prefixItems/0/type", "type")],
    ),
    "the first items are as all others": (
        {"prefixItems": [{"type": "string"}], "items": {"type": "integer"}},
        {"items": {"type": "integer"}},
        [("/items/type", "type")],
    ),
    "a pattern is new": ({}, {"pattern": "^a"}, [("/pattern", "undecided")]),
    "a pattern is other": ({"pattern": "^a"}, {"pattern": "^b"}, [("/pattern", "undecided")]),
    "a pattern is gone": ({"pattern": "^a"}, {}, []),
    "a format is new": ({}, {"format": "email"}, [("/format", "undecided")]),
    "a format is gone": ({"format": "email"}, {}, []),
    "a multiple is other": ({"multipleOf": 4}, {"multipleOf": 2}, [("/multipleOf", "undecided")]),
    "members by pattern are gone from a closed object": (
        {"patternProperties": {"^x": {}}, "additionalProperties": False},
        {"additionalProperties": False},
        [("/patternProperties", "undecided")],
    ),
    "members by pattern are the same": (
        {"patternProperties": {"^x": {}}, "maximum": 1},
        {"patternProperties": {"^x": {}}, "maximum": 2},
        [],
    ),
    "at least one item is asked for again": (
        {"contains": {"type": "string"}, "minContains": 0},
        {"contains": {"type": "string"}},
        [("/contains", "undecided")],
    ),
    "what holds otherwise is gone": (
        {"if": {"type": "string"}, "then": {"maxLength": 1}},
        {"if": {"type": "string"}},
        [("/if", "undecided")],
    ),
    "unevaluated members were evaluated": (
        {"properties": {"a": True}, "unevaluatedProperties": False},
        {"unevaluatedProperties": False},
        [("/unevaluatedProperties", "undecided")],
    ),
    "a branch is added": ({"anyOf": [OPTION]}, {"anyOf": [{"type": "null"}, OPTION]}, []),
    "a branch is removed": ({"anyOf": [{"type": "null"}, OPTION]}, {"anyOf": [OPTION]}, [("/anyOf", "anyOf")]),
    "what was alone is a branch": (OPTION, {"anyOf": [{"type": "null"}, {"type": "string", "maxLength": 6}]}, []),
    "a branch is narrowed": (
        {"anyOf": [OPTION]},
        {"anyOf": [{"type": "string", "maxLength": 4}, {"type": "null"}]},
        [("/anyOf", "anyOf")],
    ),
    "exactly one of more": ({"oneOf": [OPTION]}, {"oneOf": [OPTION, {}]}, [("/oneOf", "undecided")]),
    "all of less": ({"allOf": [OPTION, {"minLength": 1}]}, {"allOf": [{"minLength": 1}]}, []),
    "all of more": ({"allOf": [OPTION]}, {"allOf": [OPTION, {"minLength": 1}]}, [("/allOf/1", "undecided")]),
    "all of what stood beside": (OPTION, {"allOf": [{"type": "string"}, {"maxLength": 5}]}, []),
    "not something else": ({"not": {"type": "null"}}, {"not": {}}, [("/not", "undecided")]),
    "a keyword that nobody knows": ({}, {"x-unit": "m"}, [("/x-unit", "undecided")]),
    "a reference to the same": (
        {"$defs": {"s": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/s"}}},
        {"properties": {"a": {"type": "string"}}},
        [],
    ),
    "a definition is narrowed": (
        {"$defs": {"s": {"type": ["string", "null"]}}, "properties": {"a": {"$ref": "#/$defs/s"}}},
        {"$defs": {"s": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/s"}}},
        [("/properties/a/type", "type")],
    ),
    "a definition is narrowed behind a branch": (
        {"$defs": {"s": {"type": ["string", "null"]}}, "oneOf": [{"$ref": "#/$defs/s"}]},
        {"$defs": {"s": {"type": "string"}}, "oneOf": [{"$ref": "#/$defs/s"}]},
        [("/oneOf", "undecided")],
    ),
    "a definition is narrowed, which one branch minds and another does not": (
        {
            "$defs": {"s": {"type": ["string", "null"]}},
            "anyOf": [{"$ref": "#/$defs/s"}],
            "items": {"$ref": "#/$defs/s"},
        },
        {"$defs": {"s": {"type": "string"}}, "anyOf": [{"$ref": "#/$defs/s"}, {}], "items": {"$ref": "#/$defs/s"}},
        [("/items/type", "type")],
    ),
    "a definition that nobody uses": (
        {"$defs": {"s": {"type": ["string", "null"]}}},
        {"$defs": {"s": {"type": "string"}}},
        [],
    ),
    "keywords beside a reference": (
        {"$defs": {"s": {}}},
        {"$defs": {"s": {}}, "$ref": "#/$defs/s", "type": "string"},
        [("", "undecided")],
    ),
    "a name that is written with an escape": (
        {"$defs": {"a/b": {"type": "string"}}, "items": {"$ref": "#/$defs/a~1b"}},
        {"$defs": {"a/b": {"type": "null"}}, "items": {"$ref": "#/$defs/a%7E1b"}},
        [("/items/type", "type")],
    ),
    "a recursive schema is widened": (tree({"type": "string"}), tree({"type": ["string", "null"]}), []),
    "a recursive schema is narrowed": (
        tree({"type": ["string", "null"]}),
        tree({"type": "string"}),
        [("/properties/value/type", "type")],
    ),
}


@pytest.mark.parametrize(("old", "new", "expected"), TABLE.values(), ids=TABLE)
def test_what_breaks_is_named(old: Any, new: Any, expected: list[tuple[str, str]]) -> None:
    for schema in (old, new):
        assert schema_faults(msgspec.json.encode(schema), "") == []
    assert [(each.pointer, each.code) for each in breaks(old, new)] == expected


def test_the_table_is_a_table() -> None:
    assert len(TABLE) >= 40


def test_a_report_is_bounded() -> None:
    many = {"properties": {f"p{number}": {"type": "string"} for number in range(500)}}
    assert len(breaks({}, many)) == MAX_BREAKS


def test_a_comparison_ends_where_it_would_take_too_long() -> None:
    # Rings of 30 and 31 subschemas: it would take 930 comparisons of each pair of branches until they meet again.
    def ring(length: int) -> dict[str, Any]:
        nodes = {
            f"n{number}": {
                "anyOf": [{"type": "null"}, {"properties": {"a": {"$ref": f"#/$defs/n{(number + 1) % length}"}}}]
            }
            for number in range(length)
        }
        return {"$ref": "#/$defs/n0", "$defs": nodes}

    found = breaks(ring(30), ring(31))
    assert {each.code for each in found} <= {"undecided", "anyOf"}


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
