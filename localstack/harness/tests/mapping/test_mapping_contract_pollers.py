"""The contract, against a real broker: several pollers, and partitions that change hands.

Each test is a rule; its docstring names the page of the Lambda developer guide that the rule is from.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from mapping_kit import BOUND_SECONDS, Call, Function, committed, eventually, failing, item_failures, mapping

from millrace_harness.mapping import Discarded, InvokeAnswer, Pace

QUICK = Pace(look_seconds=0.2, idle_seconds=1.0)

type Append = Callable[[str, int, list[bytes]], None]


class Watch:
    """Tells whether calls for one partition ever overlap, and how many calls ever run at once."""

    def __init__(self, seconds: float = 0.0) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._busy: dict[str, int] = defaultdict(int)
        self.overlapped: list[str] = []
        self.most = 0

    @contextmanager
    def over(self, call: Call) -> Iterator[None]:
        with self._lock:
            self.overlapped += [place for place in call if self._busy[place]]
            for place in call:
                self._busy[place] += 1
            self.most = max(self.most, sum(1 for count in self._busy.values() if count))
        try:
            yield
        finally:
            with self._lock:
                for place in call:
                    self._busy[place] -= 1

    def function(self) -> Function:
        def answer(call: Call) -> InvokeAnswer:
            with self.over(call):
                time.sleep(self._seconds)
            return InvokeAnswer(b"")

        return Function(answer)


def test_lag_adds_pollers_up_to_the_maximum_and_order_holds_with_one_call_a_partition(
    bootstrap: str, make_topic: Callable[..., str], append_to: Append
) -> None:
    """kafka-scaling-modes: between minimum and maximum, with ordered processing within a partition."""
    topic, watch = make_topic(4), Watch(seconds=0.05)
    values = [b"%d" % number for number in range(400)]
    for partition in range(4):
        append_to(topic, partition, values)
    function = watch.function()
    with mapping(bootstrap, topic, function, pace=QUICK, batch_size=5, maximum_pollers=3) as one:
        eventually(lambda: one.pollers == 3)
        eventually(lambda: sum(len(function.values(f"{topic}-{partition}")) for partition in range(4)) >= 1_600)
        eventually(lambda: [committed(bootstrap, topic, partition) for partition in range(4)] == [400] * 4)
    for partition in range(4):
        assert function.values(f"{topic}-{partition}") == values  # and none twice, for no call was cut off
    assert watch.overlapped == []
    assert watch.most > 1


def test_there_are_no_more_pollers_than_partitions(
    bootstrap: str, make_topic: Callable[..., str], append_to: Append
) -> None:
    """kafka-scaling-modes: MaximumPollers is capped at the number of partitions."""
    topic, watch = make_topic(2), Watch(seconds=0.05)
    for partition in range(2):
        append_to(topic, partition, [b"a"] * 200)
    with mapping(
        bootstrap, topic, watch.function(), pace=QUICK, batch_size=1, minimum_pollers=2, maximum_pollers=20
    ) as one:
        most = 0
        while committed(bootstrap, topic, 0) < 100:
            most = max(most, one.pollers)
    assert most == 2


def test_pollers_that_have_nothing_to_do_are_let_go_down_to_the_minimum(
    bootstrap: str, make_topic: Callable[..., str], append_to: Append
) -> None:
    """kafka-scaling-modes: scaled down to MinimumPollers."""
    topic, watch = make_topic(4), Watch(seconds=0.05)
    for partition in range(4):
        append_to(topic, partition, [b"%d" % number for number in range(50)])
    function = watch.function()
    with mapping(bootstrap, topic, function, pace=QUICK, batch_size=2, maximum_pollers=4) as one:
        eventually(lambda: one.pollers >= 3)
        eventually(lambda: one.pollers == 1)
        append_to(topic, 3, [b"late"])
        eventually(lambda: b"late" in function.values(f"{topic}-3"))
    assert [committed(bootstrap, topic, partition) for partition in range(4)] == [50, 50, 50, 51]


def test_a_rebalance_in_mid_batch_loses_nothing_and_keeps_the_order(
    bootstrap: str, make_topic: Callable[..., str], append_to: Append
) -> None:
    """invocation-eventsourcemapping: at least once, also while partitions change hands, again and again."""
    topic, watch = make_topic(6), Watch(seconds=0.02)
    values = [b"%04d" % number for number in range(600)]
    for partition in range(6):
        append_to(topic, partition, values)
    function = watch.function()
    with mapping(bootstrap, topic, function, batch_size=10):
        for _ in range(3):
            with mapping(bootstrap, topic, function, batch_size=10):
                time.sleep(4)
        eventually(lambda: [committed(bootstrap, topic, partition) for partition in range(6)] == [600] * 6)
    for partition in range(6):
        seen = function.values(f"{topic}-{partition}")
        assert list(dict.fromkeys(seen)) == values  # each for the first time in order
        assert len(seen) <= 600 + 6 * 10
    assert watch.overlapped == []


def test_a_rebalance_waits_for_a_call_that_is_soon_over_so_that_nothing_comes_twice(
    bootstrap: str, make_topic: Callable[..., str], append_to: Append
) -> None:
    """Own choice: a rebalance waits 5 s for a call."""
    topic, begun = make_topic(2), threading.Event()

    def hold(_: Call) -> InvokeAnswer:
        begun.set()
        time.sleep(4)
        return InvokeAnswer(b"")

    for partition in range(2):
        append_to(topic, partition, [b"1", b"2"])
    slow, quick = Function(hold), Function()
    with mapping(bootstrap, topic, slow, window_seconds=2):
        assert begun.wait(BOUND_SECONDS)
        with mapping(bootstrap, topic, quick):
            eventually(lambda: [committed(bootstrap, topic, partition) for partition in range(2)] == [2, 2])
            for partition in range(2):
                append_to(topic, partition, [b"3"])
            eventually(lambda: [committed(bootstrap, topic, partition) for partition in range(2)] == [3, 3])
    for place in (f"{topic}-0", f"{topic}-1"):
        assert sorted(slow.values(place) + quick.values(place)) == [b"1", b"2", b"3"]
    assert quick.calls


def test_what_is_collected_of_a_partition_that_moves_is_left_to_its_new_owner(
    bootstrap: str, make_topic: Callable[..., str], append_to: Append
) -> None:
    """Own choice: who has lost a partition calls nobody with what it had collected."""
    topic = make_topic(2)
    for partition in range(2):
        append_to(topic, partition, [b"1", b"2"])
    patient, quick = Function(), Function()
    with mapping(bootstrap, topic, patient, window_seconds=20):
        eventually(lambda: [committed(bootstrap, topic, partition) for partition in range(2)] == [0, 0])
        with mapping(bootstrap, topic, quick):
            eventually(lambda: [committed(bootstrap, topic, partition) for partition in range(2)] == [2, 2])
    assert sorted(len(function.calls) for function in (patient, quick)) == [1, 1]
    for place in (f"{topic}-0", f"{topic}-1"):
        assert patient.values(place) + quick.values(place) == [b"1", b"2"]


def test_what_waits_for_a_retry_is_left_to_the_new_owner_when_its_partition_moves(
    bootstrap: str, make_topic: Callable[..., str], append_to: Append
) -> None:
    """Own choice: who has lost a partition gives up its retries, and goes on with those of the others."""
    topic = make_topic(2)
    for partition in range(2):
        append_to(topic, partition, [b"bad"])
    first, mended = failing(b"bad"), Function()
    with mapping(bootstrap, topic, first, window_seconds=1):
        eventually(lambda: len(first.calls) >= 2)
        with mapping(bootstrap, topic, mended):
            eventually(lambda: bool(mended.calls))
            place = next(iter(mended.calls[0]))
            eventually(lambda: committed(bootstrap, topic, int(place[-1])) == 1)
            before = len(first.calls)
            eventually(lambda: len(first.calls) >= before + 2)
            assert not any(place in call for call in first.calls[before:])


def test_a_partition_that_was_held_up_when_it_went_is_read_when_it_comes_back(
    bootstrap: str, make_topic: Callable[..., str], append_to: Append
) -> None:
    """kafka-scaling-modes: a function that is away drops nothing, though partitions change hands meanwhile."""
    topic, back = make_topic(2), threading.Event()

    def away(_: Call) -> InvokeAnswer:
        if not back.is_set():
            raise ConnectionError("away")
        return InvokeAnswer(b"")

    def held_up(function: Function) -> set[str]:
        return {place for call in list(function.calls) for place in call}

    for partition in range(2):
        append_to(topic, partition, [b"1"])
    stays, leaves = Function(away), Function(away)
    with mapping(bootstrap, topic, stays):
        eventually(lambda: len(held_up(stays)) == 2)
        with mapping(bootstrap, topic, leaves):
            eventually(lambda: len(held_up(leaves)) == 1)
        back.set()
        eventually(lambda: [committed(bootstrap, topic, partition) for partition in range(2)] == [1, 1])
        for partition in range(2):
            append_to(topic, partition, [b"2"])
        eventually(lambda: [committed(bootstrap, topic, partition) for partition in range(2)] == [2, 2])


def test_a_partition_that_moves_during_a_long_call_may_come_twice_but_is_never_skipped(
    bootstrap: str, make_topic: Callable[..., str], append_to: Append
) -> None:
    """Own choice: a rebalance waits 5 s for a call, then the new owner begins at the last commit."""
    topic = make_topic(2)
    begun, go_on = threading.Event(), threading.Event()

    def hold(_: Call) -> InvokeAnswer:
        begun.set()
        assert go_on.wait(BOUND_SECONDS)
        return InvokeAnswer(b"")

    for partition in range(2):
        append_to(topic, partition, [b"1", b"2"])
    slow, quick = Function(hold), Function()
    places = [f"{topic}-{partition}" for partition in range(2)]
    with mapping(bootstrap, topic, slow, window_seconds=1):
        assert begun.wait(BOUND_SECONDS)
        with mapping(bootstrap, topic, quick):
            eventually(lambda: any(quick.values(place) == [b"1", b"2"] for place in places))
            moved = next(partition for partition in range(2) if quick.values(places[partition]))
            eventually(lambda: committed(bootstrap, topic, moved) == 2)
            append_to(topic, moved, [b"3"])
            eventually(lambda: quick.values(places[moved])[-1:] == [b"3"])
            go_on.set()
            # The old owner's answer must not take the commit of the new one back, nor leave out its own part.
            eventually(lambda: [committed(bootstrap, topic, p) for p in (moved, 1 - moved)] == [3, 2])


def test_a_failing_partition_that_moves_is_tried_by_its_new_owner(
    bootstrap: str, make_topic: Callable[..., str], append_to: Append
) -> None:
    """invocation-eventsourcemapping: at least once, for what waits for a retry as well."""
    topic = make_topic(1)
    append_to(topic, 0, [b"bad", b"behind"])
    first, mended = failing(b"bad"), Function()
    with mapping(bootstrap, topic, first):
        eventually(lambda: len(first.calls) >= 3)
    assert committed(bootstrap, topic, 0) <= 0
    with mapping(bootstrap, topic, mended):
        eventually(lambda: mended.values(f"{topic}-0") == [b"bad", b"behind"])


@pytest.mark.timeout(240)
def test_all_of_it_at_once_loses_nothing(bootstrap: str, make_topic: Callable[..., str], append_to: Append) -> None:
    """invocation-eventsourcemapping: at least once, with poison, halves, partial answers and rebalances together."""
    topic, lock = make_topic(5), threading.Lock()
    values = [b"poison%d" % number if number % 50 == 7 else b"%d" % number for number in range(300)]
    poison = {value for value in values if value.startswith(b"poison")}
    done, lost, turns = defaultdict[str, set[bytes]](set), list[Discarded](), list[Call]()

    def answer(call: Call) -> InvokeAnswer:
        with lock:
            turns.append(call)
            if any(poison & set(group) for group in call.values()):
                return InvokeAnswer(b"{}", "Unhandled")
            if len(turns) % 7 == 0:
                raise ConnectionError("throttled")
            place, group = next(iter(call.items()))
            for other, others in call.items():
                done[other] |= set(others if other != place or len(turns) % 5 else others[:-1])
            return InvokeAnswer(b"") if len(turns) % 5 else item_failures((place, values.index(group[-1])))

    for partition in range(5):
        append_to(topic, partition, values)
    options = {
        "batch_size": 20,
        "report_batch_item_failures": True,
        "bisect_batch_on_function_error": True,
        "maximum_retries": 1,
        "maximum_pollers": 3,
    }
    with ExitStack() as running:
        for _ in range(2):
            running.enter_context(mapping(bootstrap, topic, Function(answer), lost.append, pace=QUICK, **options))
        eventually(lambda: [committed(bootstrap, topic, partition) for partition in range(5)] == [300] * 5)
    for partition in range(5):
        records = [one.record for discarded in lost for one in discarded.records]
        given_up = {record.value for record in records if record.partition == partition}
        assert poison <= given_up
        assert done[f"{topic}-{partition}"] | given_up == set(values)
