"""Batches: of the plain form in three spellings, and of CloudEvents."""

import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events.draft import Draft, Rejected
from shared.events.limits import MAX_BATCH_BYTES, MAX_BATCH_EVENTS, MAX_EVENT_BYTES
from shared.events.media import BATCH, LINES, PLAIN, STRUCTURED
from shared.events.model import written
from shared.kit.errors import Invalid, Malformed, TooLarge, Unprocessable, UnsupportedMedia
from tests.fixtures.bodies import parse_batch

GOOD = {"type": "order.placed", "data": 1}
CLOUD = {"specversion": "1.0", "id": "1", "source": "/s"}
type Spelling = tuple[str, Callable[[list[Any]], bytes]]


@pytest.fixture(params=["an array", "an object"])
def spelling(request: pytest.FixtureRequest) -> Spelling:
    """Where the events' pointers begin, and how events become a body."""
    if request.param == "an array":
        return "", lambda events: json.dumps(events).encode()
    return "/events", lambda events: b" \n" + json.dumps({"events": events}).encode()


def refused(kind: type[Invalid], content: bytes, content_type: str = PLAIN) -> list[tuple[str, str]]:
    with pytest.raises(kind) as failure:
        parse_batch(content, content_type)
    assert type(failure.value) is kind
    return [(fault.pointer, fault.code) for fault in failure.value.faults]


def drafts(content: bytes, content_type: str = PLAIN) -> list[Draft]:
    found = [draft for draft in parse_batch(content, content_type) if isinstance(draft, Draft)]
    assert len(found) == len(parse_batch(content, content_type))
    return found


def rejections(content: bytes, content_type: str = PLAIN) -> dict[int, list[tuple[str, str]]]:
    return {
        index: [(fault.pointer, fault.code) for fault in each.failure.faults]
        for index, each in enumerate(parse_batch(content, content_type))
        if isinstance(each, Rejected)
    }


def test_events_keep_their_order(spelling: Spelling) -> None:
    _, write = spelling
    found = drafts(write([GOOD | {"id": str(number)} for number in range(MAX_BATCH_EVENTS)]))
    assert [draft.id for draft in found] == [str(number) for number in range(MAX_BATCH_EVENTS)]


def test_two_events_with_one_id_are_two_drafts(spelling: Spelling) -> None:
    _, write = spelling
    assert len(parse_batch(write([GOOD | {"id": "same"}] * 2), PLAIN)) == 2


def test_an_empty_batch_is_refused(spelling: Spelling) -> None:
    at, write = spelling
    assert refused(Unprocessable, write([])) == [(at, "empty_batch")]


def test_too_many_events_are_refused(spelling: Spelling) -> None:
    at, write = spelling
    assert refused(TooLarge, write([GOOD] * (MAX_BATCH_EVENTS + 1))) == [(at, "batch_too_large")]


def test_a_bad_event_stands_rejected_in_its_place_among_good_ones(spelling: Spelling) -> None:
    at, write = spelling
    events = [GOOD, 7, GOOD | {"type": ""}, GOOD, GOOD | {"colour": 1}, GOOD | {"data": {"a": "\0"}}]
    assert rejections(write(events)) == {
        1: [(f"{at}/1", "type")],
        2: [(f"{at}/2/type", "length")],
        4: [(f"{at}/4/colour", "unknown_field")],
        5: [(f"{at}/5/data/a", "nul")],
    }


def test_a_rejected_event_keeps_its_id_where_that_can_be_read(spelling: Spelling) -> None:
    _, write = spelling
    events = [GOOD | {"id": "one", "time": 7}, GOOD | {"id": 7}, GOOD | {"id": "x" * 300}, GOOD | {"id": "a\0"}, 7]
    found = parse_batch(write(events), PLAIN)
    assert [each.id for each in found if isinstance(each, Rejected)] == ["one", None, None, None, None]


def test_every_event_knows_its_place(spelling: Spelling) -> None:
    at, write = spelling
    assert [draft.at for draft in drafts(write([GOOD, GOOD]))] == [f"{at}/0", f"{at}/1"]


def test_an_event_over_its_own_limit_is_too_large(spelling: Spelling) -> None:
    at, write = spelling
    found = parse_batch(write([GOOD, GOOD | {"data": "x" * MAX_EVENT_BYTES}]), PLAIN)[1]
    assert isinstance(found, Rejected)
    assert isinstance(found.failure, TooLarge)
    assert [(fault.pointer, fault.code) for fault in found.failure.faults] == [(f"{at}/1", "event_too_large")]


def test_the_faults_of_one_event_are_bounded() -> None:
    events = [GOOD | {"data": ["\0"] * 50}] * 3
    assert {len(faults) for faults in rejections(json.dumps(events).encode()).values()} == {5}


@pytest.mark.parametrize("data", ["1e999", "[-1e400]", '{"a":1e-500}', "9" * 500, '"\\u0000"', '{"a":[1,2e+400 ]}'])
def test_data_that_storage_would_refuse_is_found_among_events_that_are_fine(data: str) -> None:
    content = f'[{{"type":"t","data":"3e45 a3e45"}},{{"type":"t","data":{data}}},{{"type":"t","data":1.5e3}}]'
    assert list(rejections(content.encode())) == [1]


def test_an_event_that_says_specversion_is_a_cloud_event(spelling: Spelling) -> None:
    at, write = spelling
    cloud = {"specversion": "1.0", "type": "t", "id": "1", "source": "/s", "region": "eu", "partitionkey": "k"}
    plain, found = drafts(write([GOOD, cloud]))
    assert (plain.extensions, found.extensions, found.key) == ({}, {"region": "eu", "partitionkey": "k"}, "k")
    assert rejections(write([cloud | {"source": ""}, cloud | {"specversion": "2"}])) == {
        0: [(f"{at}/0/source", "length")],
        1: [(f"{at}/1/specversion", "value")],
    }


def test_a_batch_of_cloud_events_is_read_as_such() -> None:
    cloud = {"specversion": "1.0", "type": "t", "id": "1", "source": "/s", "data": [1]}
    content = json.dumps([cloud, GOOD, cloud | {"id": "2"}]).encode()
    found = parse_batch(content, BATCH)
    assert [each.id for each in found] == ["1", None, "2"]
    assert rejections(content, BATCH) == {1: [("/1/specversion", "required")]}
    assert refused(Unprocessable, b'{"events": []}', BATCH) == [("", "type")]


def test_lines_are_events_and_blank_ones_are_not_counted() -> None:
    lines = [json.dumps(GOOD | {"id": str(number)}).encode() for number in range(3)]
    content = b"\n \r\n" + b"\r\n\n".join(lines) + b"\n"
    assert [(draft.id, draft.at) for draft in drafts(content, LINES)] == [("0", "/0"), ("1", "/1"), ("2", "/2")]
    assert rejections(lines[0] + b"\n{\n" + lines[1] + b" 7", LINES) == {1: [("/1", "json")], 2: [("/2", "json")]}
    assert refused(Unprocessable, b"\n" * 100_000, LINES) == [("", "empty_batch")]
    many = b"\n".join([lines[0]] * (MAX_BATCH_EVENTS + 1))
    assert refused(TooLarge, many, LINES) == [("", "batch_too_large")]
    assert len(drafts(b"\n" * 5000 + many[: many.rindex(b"\n")], LINES)) == MAX_BATCH_EVENTS


def test_a_batch_over_its_limit_is_too_large() -> None:
    assert refused(TooLarge, b" " * MAX_BATCH_BYTES + b"[]") == [("", "batch_too_large")]


@pytest.mark.parametrize("content", [b"", b"[", b'{"events": [', b"[1,]", b'[{"type": "a", "data": 1}] []'])
def test_a_batch_that_is_not_json_is_malformed(content: bytes) -> None:
    assert refused(Malformed, content) == [("", "json")]


@pytest.mark.parametrize(
    ("content", "pointer", "code"),
    [
        (b"7", "", "type"),
        (b"{}", "/events", "required"),
        (b'{"events": {}}', "/events", "type"),
        (b'{"events": [], "colour": 1}', "/colour", "unknown_field"),
        (b"[" * 20_000, "", "nesting"),
        (b"[" + b"[" * 20_000 + b"]" * 20_000, "", "nesting"),
        (b'{"events":[' + b"[" * 20_000 + b"]" * 20_000 + b"]", "", "nesting"),
        (b'{"colour":[' + b"[" * 20_000 + b"]" * 20_000 + b"]}", "/colour", "unknown_field"),
    ],
)
def test_json_that_is_no_batch_is_unprocessable(content: bytes, pointer: str, code: str) -> None:
    assert refused(Unprocessable, content) == [(pointer, code)]


def test_a_batch_that_is_not_utf8_is_malformed() -> None:
    assert refused(Malformed, b'[{"type": "a", "data": "\xc3("}]') == [("", "utf8")]


@pytest.mark.parametrize("content_type", [STRUCTURED, "text/plain", "application/json; charset=latin-1", ""])
def test_a_batch_of_another_content_type_is_not_read(content_type: str) -> None:
    assert refused(UnsupportedMedia, json.dumps([GOOD]).encode(), content_type) == [("", "content_type")]


def test_an_event_that_is_nested_too_deeply_stands_alone(spelling: Spelling) -> None:
    at, write = spelling
    deep = b'{"type":"t","data":' + b"[" * 20_000 + b"]" * 20_000 + b"}"
    content = write([GOOD, "deep", GOOD | {"data": ',"\\[{'}]).replace(b'"deep"', deep)
    assert rejections(content) == {1: [(f"{at}/1", "nesting")]}
    found = parse_batch(content, PLAIN)[2]
    assert isinstance(found, Draft)
    assert written(found.data) == json.dumps(',"\\[{').encode()


LONE = {
    "half a pair": r'{"type":"t","id":"x","data":"\ud800"}',
    "the other half, in capitals": r'{"type":"t","data":["\uDC00"]}',
    "a name": r'{"type":"t","data":{"\udbff":1}}',
    "two of the same half": r'{"type":"t","data":"\ud800\ud800"}',
    "in an attribute": r'{"type":"\ud800","data":1}',
    "a text alone": r'"\ud800"',
}


@pytest.mark.parametrize("lone", LONE.values(), ids=LONE)
def test_an_event_with_half_a_surrogate_pair_stands_alone(spelling: Spelling, lone: str) -> None:
    at, write = spelling
    good = GOOD | {"data": '\\ud800 ]},["'}
    content = write([good, "lone", good, "lone"]).replace(b'"lone"', lone.encode())
    assert list(rejections(content)) == [1, 3]
    assert [pointer for pointer, _ in rejections(content)[3]] == [f"{at}/3"]
    found = parse_batch(content, PLAIN)[2]
    assert isinstance(found, Draft)
    assert (found.at, written(found.data)) == (f"{at}/2", json.dumps(good["data"]).encode())


def test_half_a_surrogate_pair_means_the_same_in_lines_and_in_an_array() -> None:
    events = [json.dumps(GOOD), *LONE.values(), json.dumps(GOOD)]
    array = "[" + " , ".join(events) + " ]"
    assert rejections(array.encode()) == rejections("\n".join(events).encode(), LINES)
    assert list(rejections(array.encode(), BATCH)) == list(range(len(events)))


@pytest.mark.parametrize(
    "content",
    [
        rb'["\ud800",]',
        rb'["\ud800" 7]',
        rb'["\ud800"',
        rb'["\ud800"] []',
        rb'["\ud80"]',
        b'["\\ud800", "\x01"]',
        rb'{"events": ["\ud800"]',
        rb'{"\ud800": 1, "events": []}',
        rb'["\ud800", nil]',
        rb"[1, nil]",
        rb'[{"type": "a", "data": 1}, {"type"}]',
    ],
)
def test_half_a_surrogate_pair_does_not_make_json_of_what_is_none(content: bytes) -> None:
    assert refused(Malformed, content) == [("", "json")]


def test_a_batch_takes_no_more_objects_than_it_may_have_events() -> None:
    numbers = b"[" + b"1," * 2_000_000 + b"1]"
    events = b'{"events":[' + b'{"type":"a","data":1},' * 180_000 + b"1]}"
    hidden = b'{"events":[' + b"[]," * 1_390_000 + b'[]],"events":["1"]}'
    tracemalloc.start()
    try:
        assert refused(TooLarge, numbers) == [("", "batch_too_large")]
        assert refused(TooLarge, events) == [("/events", "batch_too_large")]
        assert refused(Unprocessable, hidden) == [("/events", "repeated")]
        assert tracemalloc.get_traced_memory()[1] < 3 * MAX_BATCH_BYTES
    finally:
        tracemalloc.stop()


def test_a_member_that_was_sent_twice_is_refused(spelling: Spelling) -> None:
    at, write = spelling
    content = write([GOOD, "twice", GOOD | {"subject": None, "key": 'a"b'}])
    again = b'{"type":"t","id":"1","data":{"id":2,"id":3},"\\u0069d":"4"}'
    assert rejections(content.replace(b'"twice"', again)) == {1: [(f"{at}/1/id", "repeated")]}
    assert rejections(content.replace(b'"twice"', again.replace(b"0069", b"006b"))) == {
        1: [(f"{at}/1/kd", "unknown_field")]
    }


def test_one_event_that_pads_its_size_is_too_large_among_small_ones() -> None:
    large = b'{"type":"t",' + b" " * MAX_EVENT_BYTES + b'"data":1}'
    content = b"[" + b",".join([json.dumps(GOOD).encode()] * 3 + [large]) + b"]"
    assert rejections(content) == {3: [("/3", "event_too_large")]}


def test_events_that_are_large_together_are_accepted(spelling: Spelling) -> None:
    _, write = spelling
    events = [GOOD | {"data": "x" * 200_000}] * 3 + [GOOD | {"source": "x" * 1024}] * 900
    assert len(drafts(write(events))) == 903


ODD: st.SearchStrategy[Any] = st.sampled_from(
    ["t", "", "1", "a\0", "x" * 256, 'a"b', "é", "\x7f", None, 7, "2026-01-02T03:04:05Z", "batch", [], {"a": 1e300}]
)
EVENT = st.builds(
    lambda members, cloud: GOOD | members | (CLOUD if cloud else {}),
    st.dictionaries(
        st.sampled_from(["type", "id", "source", "subject", "time", "key", "colour", "data"]), ODD, max_size=2
    ),
    st.booleans(),
)


@given(st.lists(EVENT, min_size=1, max_size=4), st.sampled_from([PLAIN, BATCH, LINES]), st.booleans())
def test_what_becomes_of_an_event_does_not_depend_on_its_neighbours(
    events: list[dict[str, Any]], content_type: str, spaced: bool
) -> None:
    def read(*together: Any) -> list[Any]:
        lines = [json.dumps(event, separators=None if spaced else (",", ":")).encode() for event in together]
        content = b"\n".join(lines) if content_type == LINES else b"[" + b",".join(lines) + b"]"
        return [told(each) for each in parse_batch(content, content_type)]

    def told(each: Draft | Rejected) -> object:
        if isinstance(each, Draft):
            return {name: getattr(each, name) for name in each.__struct_fields__ if name != "data"}, written(each.data)
        return each.id, type(each.failure), each.failure.faults

    assert read(*events, "not an event")[: len(events)] == read(*events)
