from dataclasses import replace

from millrace_harness.mapping import InvokeAnswer, MappingConfig
from millrace_harness.mapping.answer import Verdict
from millrace_harness.mapping.event import Encoded, Record, encode_record
from millrace_harness.mapping.policy import Policy
from millrace_harness.mapping.progress import Progress
from millrace_harness.mapping.units import Unit, Units, pause_seconds

CONFIG = MappingConfig(topic="t", consumer_group="g", bootstrap="b", event_source_arn=None)
ANSWER = InvokeAnswer(b"{}", "Unhandled")


def _records(*places: tuple[int, int]) -> list[Encoded]:
    return [encode_record(Record(topic="t", partition=part, offset=offset, timestamp=0)) for part, offset in places]


def _places(unit: Unit) -> list[tuple[int, int]]:
    return [(one.record.partition, one.record.offset) for one in unit.records]


def test_pauses_grow_up_to_a_bound() -> None:
    pauses = [pause_seconds(failures) for failures in range(1, 40)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (0.1, 5.0)
    assert pause_seconds(40, longest=0.3) == 0.3


def test_a_unit_waits_for_the_older_ones_of_its_partitions_and_for_no_others() -> None:
    moment = [0.0]
    units = Units(now=lambda: moment[0])
    first, second, third = Unit(_records((0, 1))), Unit(_records((0, 2), (1, 2))), Unit(_records((2, 1)))
    for unit in (first, second, third):
        units.add(unit)
    assert units.next() is first
    units.put_off(first, 1)
    assert units.next() is third
    units.replace(third, [])
    assert units.next() is None
    assert units.seconds_to_next(9) == 0.1
    moment[0] = 0.2
    assert units.next() is first
    units.replace(first, [])
    assert units.next() is second
    assert units.partitions() == {0, 1}
    units.forget({0})
    assert _places(second) == [(1, 2)]
    units.forget({1})
    assert units.next() is None


def test_halves_are_cut_from_the_event_one_partition_after_the_other() -> None:
    policy = Policy(replace(CONFIG, bisect_batch_on_function_error=True), has_destination=False)
    unit = Unit(_records((1, 5), (0, 7), (1, 6), (0, 8), (1, 7)), failures=3)
    halves = policy.after(unit, Verdict({0: 7, 1: 5}, "no", whole=True), ANSWER)
    assert [_places(half) for half in halves] == [[(0, 7), (0, 8), (1, 5)], [(1, 6), (1, 7)]]
    assert [half.failures for half in halves] == [0, 0]


def test_unlimited_retries_end_after_ten_where_there_is_a_destination() -> None:
    assert Policy(CONFIG, has_destination=False).maximum_retries == -1
    assert Policy(CONFIG, has_destination=True).maximum_retries == 10
    assert Policy(replace(CONFIG, maximum_retries=3), has_destination=True).maximum_retries == 3


def test_failures_at_one_record_are_counted_and_progress_begins_anew() -> None:
    policy = Policy(replace(CONFIG, maximum_retries=1), has_destination=False)
    [again] = policy.after(Unit(_records((0, 1), (0, 2))), Verdict({0: 1}), ANSWER)
    assert (again.failures, again.condition) == (1, None)
    [further] = policy.after(again, Verdict({0: 2}), ANSWER)
    assert (_places(further), further.failures) == ([(0, 2)], 1)
    [given_up] = policy.after(further, Verdict({0: 2}), ANSWER)
    assert (given_up.failures, given_up.condition) == (2, "RetryAttemptsExhausted")


def test_a_partition_is_committed_up_to_its_first_record_that_is_not_done() -> None:
    progress = Progress()
    records = _records((0, 5), (0, 7), (0, 8), (1, 3))
    for one in records:
        progress.read(one.record.partition, one.record.offset, done=False)
    progress.read(0, 9, done=True)
    assert progress.news() == {0: 5, 1: 3}
    progress.done(records[1:3])
    assert progress.news() == {}
    progress.done(records[:1])
    assert progress.news() == {0: 10}
    progress.read(2, 40, done=True)
    assert progress.news() == {2: 41}
    progress.forget([0, 1])
    assert progress.position(0) is None
    progress.done(records)
    assert progress.news() == {}
