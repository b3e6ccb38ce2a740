"""One event in the plain form: what is accepted, and which place is named where it is not."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events.limits import MAX_EVENT_BYTES, MAX_NESTING
from shared.events.media import PLAIN, STRUCTURED
from shared.events.model import written
from shared.kit.errors import Fault, Invalid, Malformed, TooLarge, Unprocessable, UnsupportedMedia
from tests.fixtures.bodies import parse_batch, parse_event

MARK = "m4rk3r"


def body(**members: Any) -> bytes:
    return json.dumps({"type": "order.placed", "data": {"number": 1}} | members).encode()


def with_data(data: str) -> bytes:
    return b'{"type":"order.placed","data":' + data.encode() + b"}"


def refused(kind: type[Invalid], content: bytes, content_type: str | None = PLAIN) -> list[Fault]:
    with pytest.raises(kind) as failure:
        parse_event(content, content_type)
    assert type(failure.value) is kind
    return list(failure.value.faults)


def test_type_and_data_are_enough() -> None:
    draft = parse_event(body(), PLAIN)
    assert (draft.type, written(draft.data)) == ("order.placed", b'{"number": 1}')
    assert (draft.id, draft.source, draft.subject, draft.time, draft.key) == (None,) * 5


def test_every_member_is_taken_over() -> None:
    draft = parse_event(body(id="1", source="/s", subject="x", time="2026-01-02T03:04:05+01:00", key="k"), PLAIN)
    assert (draft.id, draft.source, draft.subject, draft.key) == ("1", "/s", "x", "k")
    assert draft.time == datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC)


def test_data_is_kept_byte_for_byte() -> None:
    data = '{ "b" : 1.0, "a":\t[1e2,"\\u00e9é"] , "b": 2 }'
    assert written(parse_event(with_data(data), PLAIN).data) == data.encode()


def test_null_is_data() -> None:
    assert written(parse_event(with_data("null"), PLAIN).data) == b"null"


@pytest.mark.parametrize(
    ("members", "pointer", "code"),
    [
        ({"type": 1}, "/type", "type"),
        ({"type": ""}, "/type", "length"),
        ({"type": "x" * 256}, "/type", "length"),
        ({"type": "a\0"}, "/type", "characters"),
        ({"type": "a\n"}, "/type", "characters"),
        ({"id": ""}, "/id", "length"),
        ({"id": "x" * 256}, "/id", "length"),
        ({"id": "a\0b"}, "/id", "characters"),
        ({"source": "x" * 1025}, "/source", "length"),
        ({"source": "\x7f"}, "/source", "characters"),
        ({"subject": "\x85"}, "/subject", "characters"),
        ({"subject": ["x"]}, "/subject", "type"),
        ({"key": ""}, "/key", "length"),
        ({"time": "2026-01-02"}, "/time", "time"),
        ({"time": "2026-01-02T03:04:05"}, "/time", "time"),
        ({"time": "0001-01-01T00:00:00Z"}, "/time", "time"),
        ({"time": "9999-12-31T23:59:59-10:00"}, "/time", "time"),
        ({"time": 1_772_600_767}, "/time", "type"),
        ({"colour": "red"}, "/colour", "unknown_field"),
        ({"a/b~c": 1}, "/a~1b~0c", "unknown_field"),
        ({"x" * 100: 1}, "/" + "x" * 64, "unknown_field"),
        ({"tenant": "other"}, "/tenant", "unknown_field"),
        ({"received_at": "2026-01-02T03:04:05Z"}, "/received_at", "unknown_field"),
        ({"data": "a\0b"}, "/data", "nul"),
        ({"data": {"a": ["x", {"b/c": "\0"}]}}, "/data/a/1/b~1c", "nul"),
        ({"data": {"a": {"b\0": 1}}}, "/data/a", "nul"),
    ],
)
def test_a_broken_rule_is_named_with_its_place(members: dict[str, Any], pointer: str, code: str) -> None:
    (fault,) = refused(Unprocessable, body(**members))
    assert (fault.pointer, fault.code) == (pointer, code)


@pytest.mark.parametrize("name", ["type", "data"])
def test_a_missing_member_is_named(name: str) -> None:
    members = json.loads(body())
    del members[name]
    (fault,) = refused(Unprocessable, json.dumps(members).encode())
    assert (fault.pointer, fault.code) == (f"/{name}", "required")


def test_every_nul_in_data_is_named() -> None:
    faults = refused(Unprocessable, body(data=["\0", "fine", {"a": "\0"}]))
    assert [fault.pointer for fault in faults] == ["/data/0", "/data/2/a"]


@pytest.mark.parametrize(("data", "code"), [(r'{"a": "\u0000", "a": 1}', "nul"), ('{"a": 1e999, "a": 1}', "number")])
def test_a_value_that_another_of_its_name_hides_is_found(data: str, code: str) -> None:
    (fault,) = refused(Unprocessable, with_data(data))
    assert (fault.pointer, fault.code) == ("/data/a", code)


@pytest.mark.parametrize("content", ["[1]", '"text"', "7", "null", "true"])
def test_json_that_is_no_object_is_unprocessable(content: str) -> None:
    (fault,) = refused(Unprocessable, content.encode())
    assert (fault.pointer, fault.code) == ("", "type")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b'{"type": "a", "data": 1}x',
        b"\xef\xbb\xbf" + body(),
        with_data("01"),
        with_data("NaN"),
        with_data("1."),
        with_data("'a'"),
        with_data(r'"\x"'),
        with_data('"\x01"'),
        with_data(r'"\ud800"'),
        with_data(r'{"\udc00": 1}'),
    ],
)
def test_what_is_not_json_is_malformed(content: bytes) -> None:
    (fault,) = refused(Malformed, content)
    assert (fault.pointer, fault.code) == ("", "json")


def test_what_is_not_utf8_is_malformed_wherever_it_stands() -> None:
    (fault,) = refused(Malformed, b'{"type":"a","data":"' + b"\xff" + b'"}')
    assert fault.code == "utf8"
    assert "20" in fault.detail


@pytest.mark.parametrize(
    "data", ["1e308", "1.7976931348623157e+308", "-1.7976931348623157E308", "5e-324", "-0", "-0.0", "0e10", "9" * 308]
)
def test_a_number_within_the_range_of_a_double_is_accepted(data: str) -> None:
    assert written(parse_event(with_data(data), PLAIN).data) == data.encode()


@pytest.mark.parametrize(
    "data", ["1e309", "-1e309", "1e99999", "1e-400", "1e999999999999", "9" * 401, "0." + "0" * 400 + "1"]
)
def test_a_number_beyond_a_double_is_refused(data: str) -> None:
    (fault,) = refused(Unprocessable, with_data(f'{{"a": [{data}]}}'))
    assert (fault.pointer, fault.code) == ("/data/a/0", "number")


def test_numbers_that_are_long_when_written_out_are_refused_together() -> None:
    (fault,) = refused(Unprocessable, with_data("[" + ",".join(["1e300"] * 1000) + "]"))
    assert (fault.pointer, fault.code) == ("/data", "number")


def test_digits_in_a_text_are_not_a_number() -> None:
    data = json.dumps({"digest": "3e45" * 100, "digits": "9" * 500})
    assert written(parse_event(with_data(data), PLAIN).data) == data.encode()


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_nesting_is_accepted_up_to_its_limit(opening: str, closing: str) -> None:
    assert parse_event(with_data(opening * MAX_NESTING + "1" + closing * MAX_NESTING), PLAIN)


@pytest.mark.parametrize("levels", [MAX_NESTING + 1, 9_990, 20_000, 120_000])
def test_nesting_beyond_its_limit_is_refused(levels: int) -> None:
    (fault,) = refused(Unprocessable, with_data("[" * levels + "]" * levels))
    assert fault.code == "nesting"
    assert "/data".startswith(fault.pointer)


def test_brackets_side_by_side_or_in_a_text_are_not_nesting() -> None:
    data = json.dumps([[] for _ in range(MAX_NESTING + 1)] + ["[" * (MAX_NESTING + 1), '\\"' + "{" * MAX_NESTING])
    assert parse_event(with_data(data), PLAIN)


def test_an_event_may_be_exactly_as_large_as_its_limit() -> None:
    content = with_data(json.dumps("x" * (MAX_EVENT_BYTES - len(with_data('""')))))
    assert len(content) == MAX_EVENT_BYTES
    assert parse_event(content, PLAIN)
    (fault,) = refused(TooLarge, content + b" ")
    assert (fault.pointer, fault.code) == ("", "event_too_large")


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/jsonx",
        "application/json; charset=latin-1",
        "application/cloudevents+json; charset=utf-16",
    ],
)
def test_another_content_type_or_charset_is_not_read(content_type: str | None) -> None:
    (fault,) = refused(UnsupportedMedia, body(), content_type)
    assert (fault.pointer, fault.code) == ("", "content_type")


@pytest.mark.parametrize(
    "content_type", ["application/json", "Application/JSON ; Charset=UTF-8", 'application/json;charset="utf-8"']
)
def test_a_content_type_is_read_in_any_spelling(content_type: str) -> None:
    assert parse_event(body(), content_type)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.just(MARK + "\0"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
).map(lambda value: [MARK, value, f"{MARK}\n"])
MEMBERS = [
    "type",
    "data",
    "id",
    "source",
    "subject",
    "time",
    "key",
    "specversion",
    "data_base64",
    "dataschema",
    "partitionkey",
]


@given(
    st.dictionaries(st.sampled_from(MEMBERS), ANYTHING | st.sampled_from([MARK, f"{MARK}\0", f"{MARK}\n", MARK * 400])),
    st.sampled_from([PLAIN, STRUCTURED]),
    st.booleans(),
)
def test_no_fault_repeats_what_was_sent(members: dict[str, Any], content_type: str, broken: bool) -> None:
    content = json.dumps(members).encode()[: -1 if broken else None]
    found: list[Invalid] = []
    for parse, sent, media_type in (
        (parse_event, content, content_type),
        (parse_batch, b"[" + content + b"]", PLAIN),
        (parse_batch, b'{"events": ' + content + b"}", PLAIN),
    ):
        try:
            parse(sent, media_type)
        except Invalid as failure:
            found.append(failure)
    assert MARK not in "".join(repr((failure.detail, failure.faults, failure.members)) for failure in found)


@given(st.binary(max_size=300), st.sampled_from([PLAIN, STRUCTURED]))
def test_any_bytes_are_either_accepted_or_refused_with_a_fault(content: bytes, content_type: str) -> None:
    faults: tuple[Fault, ...] | None = None
    try:
        parse_event(content, content_type)
    except Invalid as failure:
        faults = failure.faults
    assert faults != ()


def test_faults_and_their_pointers_are_bounded_however_deep_and_many_the_places_are() -> None:
    name = "~" * 64
    data = f'{{"{name}":' * 300 + "[" + ",".join(["1e999"] * 5000) + "]" + "}" * 300
    with pytest.raises(Unprocessable) as refusal:
        parse_event(f'{{"type":"t","data":{data}}}'.encode(), PLAIN)
    assert len(refusal.value.faults) == 100
    assert {fault.code for fault in refusal.value.faults} == {"number"}
    assert max(len(fault.pointer) for fault in refusal.value.faults) < 600


@pytest.mark.parametrize("id_", [".", "..", "batch", "validate"])
def test_an_id_that_no_path_could_lead_to_is_refused(id_: str) -> None:
    with pytest.raises(Unprocessable) as refusal:
        parse_event(json.dumps({"type": "t", "data": 1, "id": id_}).encode(), PLAIN)
    assert [(fault.pointer, fault.code) for fault in refusal.value.faults] == [("/id", "id")]
