"""What goes into the log comes out of it."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events.envelope import decode, encode
from shared.events.model import NO_DATA, Event, written
from shared.kit.errors import Malformed
from tests.fixtures.events import an_event

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
MOMENTS = st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=10,
)
EVENTS = st.builds(
    an_event,
    TEXTS,
    tenant=TEXTS,
    principal=TEXTS,
    source=TEXTS,
    type=TEXTS,
    partition_key=TEXTS,
    received_at=MOMENTS,
    subject=st.none() | TEXTS,
    time=st.none() | MOMENTS,
    datacontenttype=st.none() | TEXTS,
    dataschema=st.none() | TEXTS,
    data=st.just(NO_DATA) | JSON.map(json.dumps),
    data_base64=st.none() | TEXTS,
    extensions=st.dictionaries(TEXTS, TEXTS | st.integers(-(2**31), 2**31 - 1) | st.booleans(), max_size=3),
    traceparent=st.none() | TEXTS,
)


def plain(event: Event) -> dict[str, Any]:
    """The event in a form that can be compared: `Raw` compares by identity."""
    return msgspec.structs.asdict(event) | {"data": written(event.data)}


@given(EVENTS)
def test_an_event_survives_the_log(event: Event) -> None:
    assert plain(decode(encode(event))) == plain(event)


def test_data_travels_byte_for_byte() -> None:
    data = '{ "a" : 1.0 , "a": "\\u00e9" }'
    assert data.encode() in encode(an_event(data=data))


def test_null_data_and_no_data_stay_apart() -> None:
    assert written(decode(encode(an_event(data="null"))).data) == b"null"
    assert written(decode(encode(an_event(data=NO_DATA))).data) is None


def test_fields_of_a_later_version_are_passed_over() -> None:
    event = an_event()
    later = json.dumps(json.loads(encode(event)) | {"spooled": True, "hops": [1, 2]})
    assert decode(later.encode()).id == event.id


WHOLE = encode(an_event("1", data='"here"'))


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"not json",
        b"[]",
        b"{}",
        WHOLE[:-1],
        WHOLE.replace(b'"id":"1"', b'"id":1'),
        WHOLE.replace(b"here", b"\xff"),
        WHOLE.replace(b"2026-03-04T05:06:07.000089Z", b"2026-03-04T05:06:07"),
        WHOLE.replace(b"2026-03-04T05:06:07.000089Z", b"9999-12-31T23:59:59-10:00"),
        WHOLE.replace(b'"type"', b'"time":"0001-01-01T00:00:00+05:00","type"'),
        WHOLE.replace(b'"type"', b'"spooled_at":"0001-01-01T00:00:00+01:00","type"'),
        WHOLE.replace(b'"type"', b'"redriven_at":"9999-12-31T23:59:59-10:00","type"'),
        WHOLE.replace(b"test.made", b"\xff"),
        WHOLE.replace(b'"here"', b"[" * 20_000 + b"]" * 20_000),
    ],
)
def test_what_is_no_event_is_malformed(value: bytes | None) -> None:
    with pytest.raises(Malformed):
        decode(value)
