"""Identifiers by RFC 9562."""

import uuid
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.events.model import event_key
from shared.kit.ids import uuid7, uuid8

MOMENT = datetime(2026, 3, 4, 5, 6, 7, 89_000, tzinfo=UTC)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def test_uuid7_has_its_version_and_variant() -> None:
    made = uuid7(MOMENT)
    assert made.version == 7
    assert made.variant == uuid.RFC_4122


def test_uuid7_begins_with_the_unix_milliseconds() -> None:
    assert uuid7(MOMENT).int >> 80 == 1_772_600_767_089


def test_uuid7_of_a_later_millisecond_sorts_later() -> None:
    assert str(uuid7(MOMENT)) < str(uuid7(MOMENT + timedelta(milliseconds=1)))


def test_uuid7_of_one_moment_differ() -> None:
    assert len({uuid7(MOMENT) for _ in range(1000)}) == 1000


@given(st.lists(TEXTS))
def test_uuid8_has_its_version_and_variant(parts: list[str]) -> None:
    made = uuid8(*parts)
    assert made.version == 8
    assert made.variant == uuid.RFC_4122


@given(st.lists(TEXTS))
def test_uuid8_is_the_same_for_the_same_parts(parts: list[str]) -> None:
    assert uuid8(*parts) == uuid8(*parts)


@given(st.lists(TEXTS), st.lists(TEXTS))
def test_uuid8_differs_where_the_parts_do(one: list[str], other: list[str]) -> None:
    assert (uuid8(*one) == uuid8(*other)) == (one == other)


def test_uuid8_minds_where_a_part_ends() -> None:
    assert len({uuid8("a", "bc"), uuid8("ab", "c"), uuid8("abc"), uuid8("abc", "")}) == 4


def test_an_event_key_never_changes() -> None:
    # Rows carry it: another value for the same event would store that event a second time.
    assert str(event_key("demo", "/orders", "order-1")) == "0287b465-2495-86d1-a6ff-0b4134478eeb"


def test_events_of_two_tenants_or_sources_have_two_keys() -> None:
    keys = {event_key("a", "/s", "1"), event_key("b", "/s", "1"), event_key("a", "/t", "1"), event_key("a", "/s", "2")}
    assert len(keys) == 4
