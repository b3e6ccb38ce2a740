"""What a schema may be, and what is said of data that does not fit one."""

import json
from typing import Any

import msgspec
import pytest

from shared.eventtypes.schema import MAX_DEPTH, MAX_PATTERNS, MAX_SCHEMA_BYTES, MAX_SUBSCHEMAS, schema_faults
from shared.eventtypes.validator import MAX_DATA_DEPTH, MAX_FAULTS, Validator, states

DRAFT = "https://json-schema.org/draft/2020-12/schema"
SECRET = "s3cret-value"  # what must not come back


def found(schema: Any) -> list[tuple[str, str]]:
    raw = schema if isinstance(schema, bytes) else json.dumps(schema).encode()
    return [(fault.pointer, fault.code) for fault in schema_faults(raw, "/schema")]


def nested(levels: int, keyword: str = "not") -> Any:
    schema: Any = {}
    for _ in range(levels - 1):
        schema = {keyword: schema}
    return schema


def deep(levels: int, leaf: Any = 1) -> bytes:
    return b'{"x":' * levels + json.dumps(leaf).encode() + b"}" * levels


def doubling(levels: int) -> Any:
    """Each definition refers twice to the next."""
    definitions: dict[str, Any] = {
        f"d{number}": {"allOf": [{"$ref": f"#/$defs/d{number + 1}"}] * 2} for number in range(levels)
    }
    return {"$ref": "#/$defs/d0", "$defs": definitions | {f"d{levels}": {}}}


def chain(length: int) -> Any:
    definitions: dict[str, Any] = {f"d{number}": {"$ref": f"#/$defs/d{number + 1}"} for number in range(length)}
    return {"$ref": "#/$defs/d0", "$defs": definitions | {f"d{length}": {}}}


TAKEN: dict[str, Any] = {
    "true": True,
    "nothing asked": {},
    "a draft and a name of its own": {"$schema": DRAFT, "$id": "https://example.com/order", "type": "object"},
    "the draft with a fragment": {"$schema": f"{DRAFT}#"},
    "a definition": {"$defs": {"s": {"type": "string"}}, "items": {"$ref": "#/$defs/s"}},
    "an anchor": {"$defs": {"s": {"$anchor": "s"}}, "items": {"$ref": "#s"}},
    "an escaped name": {"$defs": {"a/b c": {}}, "items": {"$ref": "#/$defs/a~1b%20c"}},
    "a branch by its number": {"allOf": [{}], "items": {"$ref": "#/allOf/0"}},
    "a tree": {"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}, "additionalProperties": False},
    "a list of the same": {"type": ["array", "string"], "items": {"$ref": "#"}},
    "operators": {
        "oneOf": [
            {"required": [name], "properties": {name: {"items": {"$ref": "#"}}}, "additionalProperties": False}
            for name in ("and", "or", "not")
        ]
    },
    "a recursion that leaves nothing unevaluated": {
        "anyOf": [{"properties": {"x": {"$ref": "#"}}}],
        "unevaluatedProperties": False,
    },
    "members that are named like keywords": {
        "properties": {"$ref": {"type": "string"}, "$id": {}, "pattern": {"maxLength": 1}, "dependencies": {}}
    },
    "values that look like schemas": {
        "const": {"$ref": "http://example.com", "$id": "x"},
        "enum": [{"$dynamicRef": 1}],
    },
    "words nobody knows": {"x-owner": {"$ref": "http://example.com"}, "format": "color"},
    "a bounded pattern": {"pattern": r"^\w{1,64}-[^/]{1,200}$"},
    "a UUID, a date, an address": {
        "properties": {
            "id": {"pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"},
            "day": {"pattern": r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$"},
            "to": {"pattern": r"^[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[a-z0-9-]+(\.[a-z0-9-]+)*$"},
        },
        "propertyNames": {"pattern": "^[a-z_]{1,30}$"},
        "patternProperties": {r"^x-[^\]]+$": {}},
    },
    "as many states as may be": {"pattern": "a{300}"},
    "as deep as may be": nested(MAX_DEPTH, "items"),
    "as many as may be": {"allOf": [{}] * 400},
    "a long chain": chain(29),
    "a wide one": {"properties": {f"p{number}": {"type": "string"} for number in range(1900)}},
}

REFUSED: dict[str, tuple[Any, list[tuple[str, str]]]] = {
    "a number": (5, [("/schema", "type")]),
    "a list": ([], [("/schema", "type")]),
    "too large": ({"description": "x" * MAX_SCHEMA_BYTES}, [("/schema", "schema_too_large")]),
    "too many": ({"enum": [{}] * MAX_SUBSCHEMAS}, [("/schema", "schema_too_large")]),
    "another draft": ({"$schema": "http://json-schema.org/draft-07/schema#"}, [("/schema/$schema", "draft")]),
    "no draft at all": ({"$schema": 5}, [("/schema/$schema", "draft")]),
    "a type nobody knows": ({"type": "strin"}, [("/schema/type", "anyOf")]),
    "members that are none": ({"properties": 5}, [("/schema/properties", "type")]),
    "a limit below nothing": ({"minLength": -1}, [("/schema/minLength", "minimum")]),
    "a fault further down": ({"items": {"anyOf": [{"required": "a"}]}}, [("/schema/items/anyOf/0/required", "type")]),
    "two faults": ({"minLength": -1, "required": 5}, [("/schema/required", "type"), ("/schema/minLength", "minimum")]),
    "a remote reference": ({"$ref": "http://example.com/s"}, [("/schema/$ref", "remote_reference")]),
    "a file": ({"items": {"$ref": "file:///etc/passwd"}}, [("/schema/items/$ref", "remote_reference")]),
    "a relative reference": ({"items": {"$ref": "other.json#/a"}}, [("/schema/items/$ref", "remote_reference")]),
    "the metaschema": ({"$ref": DRAFT}, [("/schema/$ref", "remote_reference")]),
    "a reference to nothing": ({"$ref": "#/$defs/a"}, [("/schema/$ref", "reference")]),
    "a reference to no schema": ({"$ref": "#/x", "x": {"type": "strin"}}, [("/schema/$ref", "reference")]),
    "an anchor to nothing": ({"$ref": "#a"}, [("/schema/$ref", "reference")]),
    "a dynamic reference": ({"$dynamicRef": "#a"}, [("/schema/$dynamicRef", "keyword")]),
    "an old keyword": ({"dependencies": {"a": ["b"]}}, [("/schema/dependencies", "keyword")]),
    "a name further down": ({"items": {"$id": "http://example.com/"}}, [("/schema/items/$id", "keyword")]),
    "a draft further down": ({"items": {"$schema": DRAFT}}, [("/schema/items/$schema", "keyword")]),
    "no regular expression": ({"pattern": "("}, [("/schema/pattern", "pattern")]),
    "none for members": ({"patternProperties": {"(": {}}}, [("/schema/patternProperties/(", "pattern")]),
    "a look-ahead": ({"pattern": "(?=a)b"}, [("/schema/pattern", "pattern")]),
    "a back-reference": ({"items": {"pattern": r"(a)\1"}}, [("/schema/items/pattern", "pattern")]),
    "a pattern that grows": ({"pattern": "((a{1,99}){1,99}){1,99}"}, [("/schema/pattern", "pattern")]),
    "a long pattern": ({"pattern": "a" * 1025}, [("/schema", "pattern")]),
    "many patterns": ({"allOf": [{"pattern": "a"}] * (MAX_PATTERNS + 1)}, [("/schema", "pattern")]),
    "a large count": ({"pattern": "^[ab]*a[ab]{5000}c$"}, [("/schema/pattern", "pattern")]),
    "a state too many": ({"pattern": "a{301}"}, [("/schema/pattern", "pattern")]),
    "counts that multiply": ({"items": {"pattern": "(a{100}){100}"}}, [("/schema/items/pattern", "pattern")]),
    "a large count for names": (
        {"patternProperties": {"a{1,301}": {}}},
        [("/schema/patternProperties/a{1,301}", "pattern")],
    ),
    "a large count for all names": (
        {"propertyNames": {"pattern": "a{300,}"}},
        [("/schema/propertyNames/pattern", "pattern")],
    ),
    "patterns that are too much together": (
        {"allOf": [{"pattern": "^[ab]*a[ab]{5}c$"}] * 40},
        [("/schema/allOf/30/pattern", "pattern")],
    ),
    "one pattern over and over": (
        {"allOf": [{"$ref": "#/$defs/p"}] * 6, "$defs": {"p": {"pattern": "a{100}"}}},
        [("/schema", "references")],
    ),
    "itself": ({"$ref": "#"}, [("/schema", "references")]),
    "itself by a branch": ({"anyOf": [{"$ref": "#"}, {}]}, [("/schema", "references")]),
    "itself by another": (
        {"$ref": "#/$defs/a", "$defs": {"a": {"not": {"$ref": "#/$defs/b"}}, "b": {"if": {"$ref": "#/$defs/a"}}}},
        [("/schema", "references")],
    ),
    "twice the next, thirty times": (doubling(30), [("/schema", "references")]),
    "itself twice for each member": (
        {"allOf": [{"properties": {"x": {"$ref": "#"}}}] * 2},
        [("/schema", "references")],
    ),
    "itself twice for each item": ({"items": {"$ref": "#"}, "contains": {"$ref": "#"}}, [("/schema", "references")]),
    "itself by a name and a pattern": (
        {"properties": {"x": {"$ref": "#"}}, "patternProperties": {"x": {"$ref": "#"}}},
        [("/schema", "references")],
    ),
    "a chain that is too long": (chain(40), [("/schema", "references")]),
    "more at once than may be": ({"allOf": [{}] * 501}, [("/schema", "references")]),
    "U+0000": (b'{"const":"\\u0000"}', [("/schema/const", "nul")]),
    "a number out of range": (b'{"maximum":1e999}', [("/schema/maximum", "number")]),
    "deeper than any reader": (b"[" * 30_000 + b"]" * 30_000, [("/schema", "nesting")]),
}


@pytest.mark.parametrize("schema", TAKEN.values(), ids=TAKEN)
def test_a_schema_within_bounds_is_taken_and_compiles(schema: Any) -> None:
    assert found(schema) == []
    Validator(schema)


@pytest.mark.parametrize(("schema", "expected"), REFUSED.values(), ids=REFUSED)
def test_a_schema_out_of_bounds_is_refused_where_it_is(schema: Any, expected: list[tuple[str, str]]) -> None:
    assert sorted(found(schema)) == sorted(expected)


STATES = {
    "": 0,
    "abc": 3,
    "^a$": 3,
    "a+b*c?": 3,
    "a{3}": 3,
    "a{2,5}": 5,
    "a{2,}": 3,
    "a{0}": 1,
    "a{ 2 , 5 }": 5,
    "a{,5}": 5,
    "a{3}{4}": 12,
    "a{3}?{4}": 12,
    "(ab{3}){2,}": 15,
    "(?:a{2}){3}": 9,
    "(?P<n>a{2}){3}": 9,
    "(?i)(?<n>a){3}": 7,
    "(){9}": 9,
    "(a|b){3}": 12,
    r"[a(\]{9}]{3}": 3,
    "[(]a{3}[)]{2}": 6,
    r"\({3}\){4}": 7,
    r"\x41{2}\u0041{3}\x{41}{4}\p{Greek}{5}\d{6}": 20,
    r"\\{3}": 3,
    r"\b{9}": 9,
    "(a{100}){100}": 10_100,
}


@pytest.mark.parametrize(("pattern", "expected"), STATES.items(), ids=map(repr, STATES))
def test_states_are_counted_as_if_counts_were_written_out(pattern: str, expected: int) -> None:
    assert states(pattern) == expected


@pytest.mark.parametrize(
    ("pattern", "least"),
    [
        ("(?:[])]a{20}[](]){20}", 400),
        ("(?x)(?: # )\n a{20} # (\n ){20}", 400),
        ("(?ix: (?: a{20} # )\n ){20} )", 400),
        ("a){20}(b{20}", 400),
        ("((a{20}){20}", 400),
        ("(?:[[]a{20}){20}", 400),
    ],
)
def test_brackets_that_are_hidden_make_no_states_disappear(pattern: str, least: int) -> None:
    assert states(pattern) >= least


def test_a_schema_that_is_too_deep_is_refused() -> None:
    ((pointer, code),) = found(nested(MAX_DEPTH + 1))
    assert (pointer[:20], code) == ("/schema/not/not/not/", "nesting")


def test_faults_of_a_schema_are_bounded() -> None:
    assert len(found({"properties": {f"p{number}": {"type": "strin"} for number in range(100)}})) == MAX_FAULTS


CLOSED = {
    "type": "object",
    "required": ["a"],
    "properties": {"a": {"type": "string"}, "b": {"type": "integer", "maximum": 3}, "c": {"items": {"enum": [1]}}},
    "additionalProperties": False,
}
FAULTY: dict[str, tuple[Any, Any, list[tuple[str, str]]]] = {
    "a missing member": (CLOSED, {}, [("/data/a", "required")]),
    "a member of another type": (CLOSED, {"a": 5}, [("/data/a", "type")]),
    "a limit": (CLOSED, {"a": "", "b": 4}, [("/data/b", "maximum")]),
    "an item": (CLOSED, {"a": "", "c": [1, 2]}, [("/data/c/1", "enum")]),
    "members nobody knows": (
        CLOSED,
        {"a": "", "x": 1, "y/z": 1},
        [("/data/x", "additionalProperties"), ("/data/y~1z", "additionalProperties")],
    ),
    "members where none may be": ({"additionalProperties": False}, {"x": 1}, [("/data/x", "additionalProperties")]),
    "members that were not evaluated": (
        {"properties": {"a": True}, "unevaluatedProperties": False},
        {"a": 1, "x": 1},
        [("/data/x", "unevaluatedProperties")],
    ),
    "a name": ({"propertyNames": {"maxLength": 1}}, {"xx": 1}, [("/data/xx", "propertyNames")]),
    "a member that may not be": ({"properties": {"x": False}}, {"x": 1}, [("/data/x", "falseSchema")]),
    "one that is named like a keyword": (
        {"properties": {"additionalProperties": False}},
        {"additionalProperties": 1},
        [("/data/additionalProperties", "falseSchema")],
    ),
    "an item too many": ({"prefixItems": [{}], "items": False}, [1, 2], [("/data/1", "items")]),
    "a format": ({"format": "date-time"}, "yesterday", [("/data", "format")]),
    "a pattern": ({"pattern": "^a"}, "b", [("/data", "pattern")]),
    "a constant": ({"const": 1}, True, [("/data", "const")]),
    "no branch": ({"anyOf": [{"type": "null"}, {"type": "string"}]}, 1, [("/data", "anyOf")]),
    "two branches": ({"oneOf": [{}, {}]}, 1, [("/data", "oneOf")]),
    "a member that another asks for": ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, [("/data/b", "required")]),
    "equal items": ({"uniqueItems": True}, [1, 1.0], [("/data", "uniqueItems")]),
    "nothing is allowed": (False, 1, [("/data", "falseSchema")]),
}


@pytest.mark.parametrize(("schema", "data", "expected"), FAULTY.values(), ids=FAULTY)
def test_each_fault_of_data_is_found_where_it_is(schema: Any, data: Any, expected: list[tuple[str, str]]) -> None:
    faults = Validator(schema).faults(json.dumps(data).encode(), "/data")
    assert sorted((fault.pointer, fault.code) for fault in faults) == sorted(expected)


KEYWORDS: list[dict[str, Any]] = [
    *({"type": name} for name in ("null", "boolean", "integer", "array", "object")),
    *({"enum": [1]}, {"const": 1}, {"pattern": "^[0-9]$"}, {"format": "uuid"}, {"maxLength": 1}, {"minLength": 99}),
    *({"not": {}}, {"anyOf": [False]}, {"oneOf": [{}, {}]}, {"allOf": [{"type": "null"}]}, {"if": {}, "then": False}),
]


@pytest.mark.parametrize("schema", KEYWORDS, ids=map(str, KEYWORDS))
def test_a_fault_never_repeats_the_value(schema: dict[str, Any]) -> None:
    faults = Validator(schema).faults(json.dumps(SECRET).encode(), "/data")
    assert faults
    assert SECRET not in msgspec.json.encode(faults).decode()


def test_a_fault_never_repeats_values_further_down() -> None:
    schema = {"items": {"maxProperties": 0, "propertyNames": False}, "uniqueItems": True, "contains": False}
    faults = Validator(schema).faults(json.dumps([{"a": SECRET}, {"a": SECRET}]).encode(), "/data")
    assert len(faults) > 3
    assert SECRET not in msgspec.json.encode(faults).decode()


def test_a_detail_names_the_schema_s_limit() -> None:
    (fault,) = Validator({"maxLength": 3}).faults(b'"four"', "")
    assert fault.detail == "Use at most 3 characters."


def test_faults_are_bounded() -> None:
    data = json.dumps({f"m{number}": 1 for number in range(100)}).encode()
    assert len(Validator({"additionalProperties": False}).faults(data, "")) == MAX_FAULTS


def test_an_event_without_data_fits_only_a_schema_that_asks_for_nothing() -> None:
    assert [fault.code for fault in Validator({"type": "object"}).faults(None, "/data")] == ["required"]
    assert Validator({}).faults(None, "/data") == []
    assert Validator(True).faults(None, "/data") == []


def test_the_whole_range_of_numbers_is_compared() -> None:
    validator = Validator({"type": "integer", "maximum": 2**70})
    assert validator.faults(str(2**70).encode(), "") == []
    assert [fault.code for fault in validator.faults(str(2**70 + 1).encode(), "")] == ["maximum"]


def test_data_is_looked_at_as_deep_as_it_may_be() -> None:
    # 32 subschemas in a row on each of 128 levels: about as far down as a validator may be sent without a crash.
    links: dict[str, Any] = {f"d{number}": {"$ref": f"#/$defs/d{number + 1}"} for number in range(28)}
    links["d28"] = {"type": ["object", "string"], "properties": {"x": {"$ref": "#/$defs/d0"}}}
    schema = {"$ref": "#/$defs/d0", "$defs": links}
    assert found(schema) == []
    validator = Validator(schema)
    assert validator.faults(deep(MAX_DATA_DEPTH, ""), "") == []
    (fault,) = validator.faults(deep(MAX_DATA_DEPTH), "")
    assert fault.code == "type"


@pytest.mark.parametrize("levels", [MAX_DATA_DEPTH + 1, 3000])
def test_data_that_is_deeper_is_a_fault_and_no_crash(levels: int) -> None:
    (fault,) = Validator({"properties": {"x": {"$ref": "#"}}, "type": "object"}).faults(deep(levels), "/data")
    assert (fault.pointer, fault.code) == ("/data", "nesting")


def test_data_with_many_members_is_not_deep() -> None:
    assert Validator({"type": "array"}).faults(json.dumps([{}] * 1000).encode(), "") == []


def test_what_is_no_json_is_a_fault() -> None:
    assert [fault.code for fault in Validator({}).faults(b"{", "/data")] == ["json"]
