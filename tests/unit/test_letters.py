"""What a dead letter says of its record."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from shared.events.dead import DeadLetter
from shared.events.envelope import encode
from shared.events.letters import NOT_AN_EVENT, Fault, letter_of
from shared.events.model import RawRecord
from tests.fixtures.events import an_event
from tests.fixtures.persist import PersistRoom, raw

NOW = datetime(2026, 3, 5, tzinfo=UTC)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def letter(value: bytes | None, key: bytes | None = None) -> DeadLetter:
    record = RawRecord("events", 4, 17, value, key, 1_772_600_767_000)
    return letter_of(record, None, Fault(NOT_AN_EVENT, "No event."), dead_at=NOW)


def changed(**members: Any) -> bytes:
    document: dict[str, Any] = msgspec.json.decode(encode(an_event())) | members
    return msgspec.json.encode(document)


@pytest.mark.parametrize("value", [None, b"", b"\xff\x00", b"{}", b"[" * 100_000, b"null"])
def test_a_letter_has_the_records_own_bytes_and_place(value: bytes | None) -> None:
    found = letter(value, b"\xfekey")
    assert (found.value, found.key) == (value, b"\xfekey")
    assert (found.topic, found.partition, found.offset, found.timestamp_ms) == ("events", 4, 17, 1_772_600_767_000)
    assert (found.code, found.attempts, found.dead_at) == ("not_an_event", 1, NOW)


def test_a_record_that_was_tried_before_says_so() -> None:
    assert letter(changed(attempts=2)).attempts == 3


@pytest.mark.parametrize("attempts", ["many", -1, 1.5, True, None, 10**400])
def test_attempts_that_are_no_count_are_passed_over(attempts: object) -> None:
    assert letter(changed(attempts=0).replace(b'"attempts":0', b'"attempts":' + _json(attempts))).attempts == 1


def _json(value: object) -> bytes:
    return str(value).encode() if isinstance(value, int) and abs(value) > 2**60 else msgspec.json.encode(value)


def test_the_tenant_is_read_from_the_value_else_from_the_key() -> None:
    assert letter(changed(type=7), b"other/key").tenant == "tests"
    assert letter(b"junk", b"other/key/of").tenant == "other"
    assert letter(changed(tenant=7), b"other/key").tenant == "other"


@pytest.mark.parametrize("key", [None, b"", b"nothing", b"/key", b"\xff/key", b"a\0b/key", b"a" * 300 + b"/key"])
def test_a_key_that_names_no_tenant_gives_none(key: bytes | None) -> None:
    assert letter(b"junk", key).tenant is None


def test_the_trace_goes_on_where_it_is_one() -> None:
    assert letter(changed(type=7, traceparent=TRACE)).traceparent == TRACE
    assert letter(changed(type=7, traceparent="\0")).traceparent is None


async def test_what_storage_refuses_is_told_with_the_events_own_attributes() -> None:
    room = PersistRoom()
    await room.persist([raw(an_event("\0", attempts=4, traceparent=TRACE), 5, key=b"tests/key")])
    (found,) = room.dead.letters
    assert (found.tenant, found.attempts, found.traceparent) == ("tests", 5, TRACE)
    assert found.code == "refused_by_storage"


async def test_a_reason_never_repeats_the_record() -> None:
    room = PersistRoom()
    await room.persist([raw(an_event("s3cret\0"), 0), raw(b"s3cret", 1), raw(changed(type=["s3cret"]), 2)])
    assert [found.reason for found in room.dead.letters]
    assert not any("s3cret" in found.reason for found in room.dead.letters)
