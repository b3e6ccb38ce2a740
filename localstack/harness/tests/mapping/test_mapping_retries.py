from millrace_harness.mapping.retries import Retries


def test_failures_at_one_offset_are_counted_and_wait_longer_and_longer_up_to_a_bound() -> None:
    retries = Retries(now=lambda: 0.0)
    waits = [retries.failed(3, 7) for _ in range(40)]
    assert [waiting.failures for waiting in waits] == list(range(1, 41))
    pauses = [waiting.due for waiting in waits]
    assert pauses == sorted(pauses)
    assert pauses[0] == 0.1
    assert pauses[-1] == 5.0


def test_progress_begins_the_count_anew() -> None:
    retries = Retries(now=lambda: 0.0)
    retries.failed(3, 7)
    assert retries.failed(3, 8).failures == 1
    retries.succeeded(3)
    assert retries.failed(3, 8).failures == 1


def test_a_partition_is_due_once_when_its_pause_is_over() -> None:
    moment = [0.0]
    retries = Retries(now=lambda: moment[0])
    retries.failed(3, 7)
    assert retries.due() == {}
    assert retries.seconds_to_next(9) == 0.1
    moment[0] = 0.2
    assert retries.due() == {3: 7}
    assert retries.due() == {}
    assert retries.seconds_to_next(9) == 9


def test_partitions_that_are_gone_are_forgotten() -> None:
    moment = [0.0]
    retries = Retries(now=lambda: moment[0])
    retries.failed(3, 7)
    retries.forget([3])
    moment[0] = 9.0
    assert retries.due() == {}
