"""A quota in one number."""

from hypothesis import given
from hypothesis import strategies as st

from shared.kit.gcra import Gcra, Taken


def test_all_of_the_burst_is_there_at_once() -> None:
    assert Gcra(2, 10).take(10, 0.0) == Taken(given=10, remaining=0, reset_seconds=5, retry_seconds=1)


def test_what_was_not_there_was_not_taken() -> None:
    quota = Gcra(1, 5)
    assert quota.take(9, 0.0).given == 5
    assert quota.take(9, 0.5).given == 0
    assert quota.take(9, 3.0).given == 3


def test_after_a_while_there_is_no_more_than_the_burst() -> None:
    quota = Gcra(1, 5)
    quota.take(5, 0.0)
    assert quota.take(9, 1_000_000.0).given == 5


def test_to_look_takes_nothing() -> None:
    quota = Gcra(1, 5)
    quota.take(2, 0.0)
    assert quota.take(0, 0.0) == quota.take(0, 0.0) == Taken(given=0, remaining=3, reset_seconds=2, retry_seconds=0)


def test_the_next_unit_is_there_when_it_was_said_to_be() -> None:
    quota = Gcra(0.25, 3)
    taken = quota.take(4, 0.0)
    assert (taken.given, taken.retry_seconds) == (3, 4)
    assert quota.take(1, 3.9).given == 0
    assert quota.take(1, 4.0).given == 1


@given(
    st.lists(st.tuples(st.integers(0, 50), st.floats(0, 3)), max_size=50),
    st.integers(1, 2000),
    st.integers(1, 100),
)
def test_never_more_than_the_burst_and_the_pace_allow(
    asked: list[tuple[int, float]], per_second: int, burst: int
) -> None:
    quota, now, given_ = Gcra(per_second, burst), 0.0, 0
    for wanted, pause in asked:
        now += pause
        taken = quota.take(wanted, now)
        given_ += taken.given
        assert 0 <= taken.given <= wanted
        assert 0 <= taken.remaining <= burst
        assert given_ <= burst + now * per_second + 1e-3
