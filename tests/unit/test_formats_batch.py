"""Batches of the plain form, in both spellings."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from shared.events.formats import PLAIN, STRUCTURED, parse_batch
from shared.events.limits import MAX_BATCH_BYTES, MAX_BATCH_EVENTS, MAX_EVENT_BYTES
from shared.kit.errors import Invalid, Malformed, TooLarge, Unprocessable, UnsupportedMedia

GOOD = {"type": "order.placed", "data": 1}
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


def test_events_keep_their_order(spelling: Spelling) -> None:
    _, write = spelling
    drafts = parse_batch(write([GOOD | {"id": str(number)} for number in range(MAX_BATCH_EVENTS)]), PLAIN)
    assert [draft.id for draft in drafts] == [str(number) for number in range(MAX_BATCH_EVENTS)]


def test_two_events_with_one_id_are_two_drafts(spelling: Spelling) -> None:
    _, write = spelling
    assert len(parse_batch(write([GOOD | {"id": "same"}] * 2), PLAIN)) == 2


def test_an_empty_batch_is_refused(spelling: Spelling) -> None:
    at, write = spelling
    assert refused(Unprocessable, write([])) == [(at, "empty_batch")]


def test_too_many_events_are_refused(spelling: Spelling) -> None:
    at, write = spelling
    assert refused(TooLarge, write([GOOD] * (MAX_BATCH_EVENTS + 1))) == [(at, "batch_too_large")]


def test_every_fault_of_every_event_is_named(spelling: Spelling) -> None:
    at, write = spelling
    events = [GOOD, 7, GOOD | {"type": ""}, GOOD, GOOD | {"colour": 1}, GOOD | {"data": {"a": "\0"}}]
    assert refused(Unprocessable, write(events)) == [
        (f"{at}/1", "type"),
        (f"{at}/2/type", "length"),
        (f"{at}/4/colour", "unknown_field"),
        (f"{at}/5/data/a", "nul"),
    ]


def test_an_event_over_its_own_limit_is_too_large(spelling: Spelling) -> None:
    at, write = spelling
    assert refused(TooLarge, write([GOOD, GOOD | {"data": "x" * MAX_EVENT_BYTES}])) == [(f"{at}/1", "event_too_large")]


def test_a_large_event_beside_a_wrong_one_is_unprocessable(spelling: Spelling) -> None:
    _, write = spelling
    found = refused(Unprocessable, write([{}, GOOD | {"data": "x" * MAX_EVENT_BYTES}]))
    assert {code for _, code in found} == {"required", "event_too_large"}


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
        (b"[" + b"[" * 20_000 + b"]" * 20_000 + b"]", "", "nesting"),
    ],
)
def test_json_that_is_no_batch_is_unprocessable(content: bytes, pointer: str, code: str) -> None:
    assert refused(Unprocessable, content) == [(pointer, code)]


def test_a_batch_that_is_not_utf8_is_malformed() -> None:
    assert refused(Malformed, b'[{"type": "a", "data": "\xc3("}]') == [("", "utf8")]


@pytest.mark.parametrize("content_type", [STRUCTURED, "application/cloudevents-batch+json", "text/plain", ""])
def test_only_the_plain_form_is_read_in_batches(content_type: str) -> None:
    assert refused(UnsupportedMedia, json.dumps([GOOD]).encode(), content_type) == [("", "content_type")]


def test_the_first_hundred_faults_of_a_batch_are_listed() -> None:
    found = refused(Unprocessable, json.dumps([{"type": ""}] * 500).encode())
    assert len(found) == 100
