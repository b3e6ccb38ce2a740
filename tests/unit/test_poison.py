"""When too much of a partition is poison."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events.poison import LEAST, WINDOW, PoisonShare, Stop

PARTITION = ("events", 3)
CLEAN, POISON = False, True

streams = st.lists(st.tuples(st.booleans(), st.integers(1, 60)), max_size=12).map(
    lambda runs: [is_poison for is_poison, length in runs for _ in range(length)]
)
shares = st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])
gaps = st.lists(st.integers(1, 3), min_size=1, max_size=5)


def plainly(poison: Sequence[bool], limit: float) -> int | None:
    """Where a stream stops, straight from the rule."""
    for place, is_poison in enumerate(poison):
        window = poison[max(0, place + 1 - WINDOW) : place + 1]
        if is_poison and sum(window) >= LEAST and sum(window) > limit * len(window):
            return place
    return None


def run(share: PoisonShare, offsets: Sequence[int], poison: Sequence[bool]) -> int | None:
    """Judge, and note what is before the stop."""
    stop = share.judge(PARTITION, offsets, poison)
    end = len(offsets) if stop is None else stop.place
    share.note(PARTITION, offsets[:end], poison[:end])
    return None if stop is None else stop.place


@given(streams, shares, st.lists(st.integers(0, 720), max_size=5))
def test_it_stops_where_the_rule_says_however_the_records_are_batched(
    poison: list[bool], limit: float, cuts: list[int]
) -> None:
    share, found = PoisonShare(limit), None
    edges = sorted({0, len(poison), *(cut for cut in cuts if cut < len(poison))})
    for low, high in pairwise(edges):
        stop = run(share, range(low, high), poison[low:high])
        if stop is not None:
            found = low + stop
            break
    assert found == plainly(poison, limit)


@given(streams, shares, st.data())
def test_records_that_come_again_are_judged_as_before_and_not_counted_twice(
    poison: list[bool], limit: float, data: st.DataObject
) -> None:
    share = PoisonShare(limit)
    stop = run(share, range(len(poison)), poison)
    for _ in range(3):
        again = data.draw(st.integers(0, len(poison) if stop is None else stop))
        found = run(share, range(again, len(poison)), poison[again:])
        assert (None if found is None else again + found) == stop


@given(streams, gaps, shares)
def test_offsets_that_are_missing_are_no_records(poison: list[bool], steps: list[int], limit: float) -> None:
    offsets = [sum(steps[place % len(steps)] for place in range(number)) for number in range(len(poison))]
    assert run(PoisonShare(limit), offsets, poison) == plainly(poison, limit)


def test_a_window_is_the_last_thousand_records() -> None:
    share = PoisonShare(0.5)
    assert run(share, range(5000), [CLEAN] * 5000) is None
    assert run(share, range(5000, 6000), [POISON] * 1000) == 500  # 501 of a thousand
    assert share.judge(PARTITION, [5500], [POISON]) == Stop(0, 0.501)


def test_a_whole_batch_that_comes_again_meets_the_window_that_it_met() -> None:
    share, poison = PoisonShare(0.5), [POISON] * 400 + [CLEAN] * 9600
    assert run(share, range(1000), [CLEAN] * 1000) is None
    assert run(share, range(1000, 11_000), poison) is None
    assert run(share, range(1000, 11_000), poison) is None
    assert run(share, range(1000, 1600), [POISON] * 600) == 500


@pytest.mark.parametrize("number", [1, LEAST - 1])
def test_a_few_poison_records_are_no_share(number: int) -> None:
    assert run(PoisonShare(0.0), range(number), [POISON] * number) is None


def test_partitions_are_judged_apart() -> None:
    share = PoisonShare(0.5)
    share.note(("events", 0), range(19), [POISON] * 19)
    assert share.judge(("events", 1), [19], [POISON]) is None
    assert share.judge(("other", 0), [19], [POISON]) is None
    assert share.judge(("events", 0), [19], [POISON]) == Stop(0, 1.0)


def test_what_was_only_judged_is_not_remembered() -> None:
    share = PoisonShare(0.5)
    share.judge(PARTITION, range(19), [POISON] * 19)
    assert share.judge(PARTITION, [19], [POISON]) is None


@given(streams)
def test_with_a_limit_of_one_nothing_stops(poison: list[bool]) -> None:
    assert run(PoisonShare(1.0), range(len(poison)), poison) is None
