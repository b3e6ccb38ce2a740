"""An object of the spool holds the events of a request as they were."""

from datetime import timedelta

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from shared.events.envelope import encode
from shared.events.model import NO_DATA
from shared.events.pages import pack, unpack
from shared.kit.errors import Malformed
from tests.fixtures.events import MOMENT, an_event


def test_events_come_back_in_their_order() -> None:
    events = [an_event(spooled_at=MOMENT + timedelta(seconds=1), waiter="w", extensions={"a": 1}) for _ in range(100)]
    assert unpack(pack(events)) == events


def test_an_object_is_lines_of_json_that_people_can_read() -> None:
    events = [an_event(), an_event()]
    assert zstd.decompress(pack(events)).split(b"\n") == [encode(event) for event in events]


def test_events_alike_are_packed_small() -> None:
    events = [an_event(data='{"reading": 20.5, "unit": "celsius"}') for _ in range(500)]
    assert len(pack(events)) < sum(len(encode(event)) for event in events) / 3


def test_line_breaks_between_the_members_of_data_become_spaces() -> None:
    (event,) = unpack(pack([an_event(data='{\r\n  "a": "x\\ny",\n\t"b": [1,\n2]\n}')]))
    assert bytes(event.data) == b'{    "a": "x\\ny", \t"b": [1, 2] }'


def test_data_that_is_not_json_is_kept() -> None:
    (event,) = unpack(pack([an_event(data=NO_DATA, data_base64="AP8K")]))
    assert (bytes(event.data), event.data_base64) == (b"", "AP8K")


@given(
    st.lists(st.text().filter(str.isprintable), min_size=1, max_size=5),
    st.sampled_from(["\u2028", "\x85", "é", "\x1e"]),
)
def test_no_character_ends_a_line_that_does_not_end_an_event(subjects: list[str], odd: str) -> None:
    events = [an_event(subject=subject + odd, partition_key=subject + odd) for subject in subjects]
    assert unpack(pack(events)) == events


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{}", id="not compressed"),
        pytest.param(zstd.compress(b""), id="no line"),
        pytest.param(zstd.compress(b"{}"), id="no event"),
        pytest.param(zstd.compress(b"\xff"), id="no text"),
        pytest.param(pack([an_event() for _ in range(9)])[:-5], id="cut short"),
        pytest.param(pack([an_event()]) + b"more", id="something behind it"),
    ],
)
def test_what_was_not_packed_is_malformed(content: bytes) -> None:
    with pytest.raises(Malformed):
        unpack(content)
