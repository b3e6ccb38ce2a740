"""Whether a schema takes whatever another takes: decided by keyword, and never yes where it is no."""

from typing import Any

import msgspec
import pytest

from shared.eventtypes import compatibility
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


def test_a_comparison_ends_where_it_would_take_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    def branches(levels: int, name: str, most: int) -> dict[str, Any]:
        """Twelve times twelve times twelve, each to be compared with each."""
        if levels == 0:
            return {"properties": {name: {"type": "string", "maxLength": most}}, "required": [name]}
        return {"anyOf": [branches(levels - 1, f"{name}{number:x}", most) for number in range(12)]}

    old, new = branches(3, "p", 5), branches(3, "p", 6)
    assert breaks(old, new), "they are compatible, but that takes some 30,000 comparisons to see"
    monkeypatch.setattr(compatibility, "_MAX_COMPARISONS", 1_000_000)
    assert breaks(old, new) == []


def test_a_ring_that_would_be_walked_for_ever_is_undecided() -> None:
    def ring(length: int) -> dict[str, Any]:
        nodes = {
            f"n{number}": {"properties": {"a": {"$ref": f"#/$defs/n{(number + 1) % length}"}}}
            for number in range(length)
        }
        return {"$ref": "#/$defs/n0", "$defs": nodes}

    assert [each.code for each in breaks(ring(90), ring(91))] == ["undecided"]
