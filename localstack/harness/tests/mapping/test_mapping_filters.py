"""The rules of a filter, one by one. Source: Lambda developer guide, "Filter rule syntax" and "Kafka filtering"."""

import json
from typing import Any

import pytest

from millrace_harness.mapping import patterns
from millrace_harness.mapping.event import Record
from millrace_harness.mapping.filters import Filters


def _passes(pattern: Any, value: bytes | None, key: bytes | None = None) -> bool:
    record = Record(topic="t", partition=3, offset=70, timestamp=7, key=key, value=value)
    return Filters([json.dumps(pattern)]).passes(record)


@pytest.mark.parametrize(
    ("rules", "fitting", "unfitting"),
    [
        ('["a", "b"]', ['"a"', '"b"', '["x", "a"]'], ['"A"', '"ab"', '{"a": 1}', "null"]),
        ("[null]", ["null"], ['""', "0"]),
        ('[""]', ['""'], ["null", '" "']),
        ("[true]", ["true"], ["false", "1", '"true"']),
        ("[300]", ["300"], ["300.0", "3.0e2", '"300"', "true"]),
        ('[{"prefix": "us-"}]', ['"us-east-1"'], ['"eu-us-"', '"US-"', "1"]),
        ('[{"suffix": ".png"}]', ['"a.png"'], ['"a.png "', "1"]),
        ('[{"equals-ignore-case": "alice"}]', ['"Alice"', '"ALICE"'], ['"alic"', "1"]),
        ('[{"anything-but": ["a", 1]}]', ['"b"', "2", '"1"', "null"], ['"a"', "1"]),
        ('[{"anything-but": "a"}]', ['"b"'], ['"a"']),
        ('[{"numeric": ["=", 100]}]', ["100", "100.0", "1e2"], ["101", '"100"']),
        ('[{"numeric": [">", 10, "<=", 20]}]', ["11", "20"], ["10", "20.5"]),
        ('[{"exists": true}]', ['"a"', "null", "[1]"], ['{"a": 1}', "[]"]),
        ('[{"exists": false}]', ['{"a": 1}'], ['"a"', "null"]),
        ('["a", {"numeric": ["<", 0]}]', ['"a"', "-1"], ['"b"', "1"]),
    ],
)
def test_each_operator_fits_what_aws_says(rules: str, fitting: list[str], unfitting: list[str]) -> None:
    pattern = patterns.parse(f'{{"field": {rules}}}')
    for value in fitting:
        assert pattern(patterns.load(f'{{"field": {value}}}')), value
    for value in unfitting:
        assert not pattern(patterns.load(f'{{"field": {value}}}')), value


def test_a_field_that_is_missing_fits_nothing_but_not_exists() -> None:
    for rules in (["a"], [None], [{"anything-but": ["a"]}], [{"exists": True}], [{"prefix": "a"}]):
        assert not _passes({"value": {"field": rules}}, b'{"other": 1}')
    assert _passes({"value": {"field": [{"exists": False}]}}, b'{"other": 1}')
    assert _passes({"value": {"outer": {"field": [{"exists": False}]}}}, b'{"other": 1}')


def test_fields_are_anded_the_branches_of_or_and_the_filters_are_ored() -> None:
    both = {"value": {"a": ["1"], "b": ["2"]}}
    assert _passes(both, b'{"a": "1", "b": "2"}')
    assert not _passes(both, b'{"a": "1", "b": "3"}')
    either = {"value": {"$or": [{"a": ["1"]}, {"b": ["2"]}], "c": ["3"]}}
    assert _passes(either, b'{"b": "2", "c": "3"}')
    assert not _passes(either, b'{"b": "2"}')
    assert not _passes(either, b'{"c": "3"}')
    record = Record(topic="t", partition=0, offset=0, timestamp=0, value=b'{"b": "2"}')
    assert Filters(['{"value": {"a": ["1"]}}', '{"value": {"b": ["2"]}}']).passes(record)
    assert Filters([]).passes(record)


def test_of_a_list_of_objects_one_is_enough() -> None:
    pattern = {"value": {"items": {"kind": ["a"], "size": [{"numeric": [">", 1]}]}}}
    assert _passes(pattern, b'{"items": [{"kind": "b"}, {"kind": "a", "size": 2}]}')
    assert not _passes(pattern, b'{"items": [{"kind": "b", "size": 2}, {"kind": "a"}]}')


@pytest.mark.parametrize("value", [b"plain", b"\xff\xfe", None, b'{"a": "1"', b"3"])
def test_a_value_that_is_no_document_is_not_held_against_a_pattern_for_documents(value: bytes | None) -> None:
    assert _passes({"value": {"a": ["2"]}}, value)
    assert not _passes({"value": {"a": ["2"]}, "topic": ["other"]}, value)


def test_a_pattern_for_plain_texts_is_held_against_plain_texts_only() -> None:
    pattern = {"value": [{"anything-but": ["error"]}]}
    assert not _passes(pattern, b"error")
    assert _passes(pattern, b"fine")
    assert _passes(pattern, b'{"error": 1}')
    assert not _passes({"value": ["error"]}, b"fine")
    assert _passes({"value": ["error"]}, b'["fine"]')


def test_keys_and_metadata_are_filtered_as_well() -> None:
    assert _passes({"key": [{"prefix": "user-"}]}, b"v", key=b"user-1")
    assert not _passes({"key": [{"prefix": "user-"}]}, b"v", key=b"order-1")
    assert _passes({"partition": [3], "offset": [{"numeric": [">=", 70]}]}, b"v")
    assert not _passes({"partition": [4]}, b"v")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"value": {}}',
        '{"value": []}',
        '{"value": "a"}',
        '{"value": [["a"]]}',
        '{"value": [{"unknown": "a"}]}',
        '{"value": [{"prefix": 1}]}',
        '{"value": [{"prefix": "a", "suffix": "b"}]}',
        '{"value": [{"numeric": [">"]}]}',
        '{"value": [{"numeric": ["!", 1]}]}',
        '{"value": [{"numeric": [">", "1"]}]}',
        '{"value": [{"exists": "yes"}]}',
        '{"value": [{"anything-but": []}]}',
        '{"value": {"a": [NaN]}}',
        '{"$or": []}',
    ],
)
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        patterns.parse(text)
