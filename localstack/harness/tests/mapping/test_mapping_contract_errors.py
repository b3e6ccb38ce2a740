"""The contract, against a real broker: what happens when the function does not do its work.

Each test is a rule; its docstring names the page of the Lambda developer guide that the rule is from.
"""

import threading
import time
from collections.abc import Callable

import pytest
from confluent_kafka import Producer
from mapping_kit import FAILED, Call, Function, Produce, committed, eventually, failing, item_failures, mapping

from millrace_harness.mapping import Discarded, EventSourceMapping, InvokeAnswer, MappingConfig


def test_a_function_error_brings_the_whole_batch_again(bootstrap: str, topic: str, produce: Produce) -> None:
    """kafka-retry-configurations: a function error is retried, without end where nothing else is said."""
    errors = iter(["Unhandled", "Unhandled"])
    function = Function(lambda _: InvokeAnswer(b"{}", next(errors, None)))
    produce(0, [b"a", b"b"])
    with mapping(bootstrap, topic, function) as one:
        eventually(lambda: one.last_result == "OK")
    assert function.values(f"{topic}-0") == [b"a", b"b"] * 3
    assert committed(bootstrap, topic, 0) == 2


def test_a_partition_is_read_again_from_its_first_record_that_is_not_done(
    bootstrap: str, topic: str, produce: Produce
) -> None:
    """kafka-retry-configurations, partial batch response: only what failed, and what is behind it, is retried."""
    refused = threading.Event()

    def answer(call: Call) -> InvokeAnswer:
        if refused.is_set() or b"bad" not in call.get(f"{topic}-0", []):
            return InvokeAnswer(b"")
        refused.set()
        return item_failures((f"{topic}-0", 1))

    function = Function(answer)
    produce(0, [b"good", b"bad", b"later"])
    produce(1, [b"other"])
    with mapping(bootstrap, topic, function, report_batch_item_failures=True):
        eventually(lambda: function.values(f"{topic}-0").count(b"later") == 2)
    assert function.values(f"{topic}-0") == [b"good", b"bad", b"later", b"bad", b"later"]
    assert function.values(f"{topic}-1") == [b"other"]
    assert committed(bootstrap, topic, 0) == 3


def test_a_partition_that_fails_on_and_on_does_not_keep_the_others_from_going_on(
    bootstrap: str, topic: str, produce: Produce
) -> None:
    """kafka-retry-configurations: retries block a partition; the others are none of its business."""

    def answer(call: Call) -> InvokeAnswer:
        return item_failures((f"{topic}-0", 0)) if f"{topic}-0" in call else InvokeAnswer(b"")

    function = Function(answer)
    produce(0, [b"stuck", b"behind"])
    with mapping(bootstrap, topic, function, report_batch_item_failures=True):
        eventually(lambda: function.values(f"{topic}-0").count(b"stuck") >= 3)
        produce(1, [b"free"])
        eventually(lambda: function.values(f"{topic}-1") == [b"free"])
    assert committed(bootstrap, topic, 0) <= 0


def test_a_retry_does_not_wait_out_the_window_of_another_partition(
    bootstrap: str, topic: str, produce: Produce
) -> None:
    """Own choice: a retry is a batch of its own, and does not wait for others to fill."""

    def answer(_: Call) -> InvokeAnswer:
        if len(function.calls) > 1:
            return InvokeAnswer(b"")
        produce(1, [b"other"])  # is there at once, and opens a window before the retry of partition 0 is due
        return InvokeAnswer(b"{}", "Unhandled")

    function = Function(answer)
    produce(0, [b"again"])
    with mapping(bootstrap, topic, function, window_seconds=3):
        eventually(lambda: function.values(f"{topic}-0").count(b"again") == 2)
    assert function.calls[1] == {f"{topic}-0": [b"again"]}


def test_records_are_dropped_when_the_retries_are_used_up(bootstrap: str, topic: str, produce: Produce) -> None:
    """kafka-retry-configurations: so many retries after the first call, then the records are given up."""

    def answer(call: Call) -> InvokeAnswer:
        return InvokeAnswer(b"{}", "Unhandled" if b"bad" in call[f"{topic}-0"] else None)

    function = Function(answer)
    produce(0, [b"bad"])
    with mapping(bootstrap, topic, function, maximum_retries=2):
        eventually(lambda: len(function.calls) == 3)
        produce(0, [b"good"])
        eventually(lambda: b"good" in function.values(f"{topic}-0"))
    assert function.values(f"{topic}-0") == [b"bad", b"bad", b"bad", b"good"]


def test_a_function_that_cannot_be_called_is_called_again_and_that_is_no_retry(
    bootstrap: str, topic: str, produce: Produce
) -> None:
    """kafka-scaling-modes: throttling slows the pollers down; it drops nothing."""
    calls: list[bytes] = []

    def invoke(payload: bytes) -> InvokeAnswer:
        calls.append(payload)
        if len(calls) < 4:
            raise RuntimeError("throttled")
        return InvokeAnswer(b"")

    config = MappingConfig(
        topic=topic,
        consumer_group=f"group-of-{topic}",
        bootstrap=bootstrap,
        event_source_arn=None,
        maximum_retries=0,
    )
    produce(0, [b"a"])
    one = EventSourceMapping(config, invoke)
    one.start()
    eventually(lambda: one.last_result == "OK")
    one.stop()
    eventually(lambda: not one.running)
    assert len(calls) == 4
    assert committed(bootstrap, topic, 0) == 1


@pytest.mark.parametrize("payload", [b"", b"null", b"{}", b'{"batchItemFailures": []}'])
def test_an_empty_answer_is_a_success(bootstrap: str, topic: str, produce: Produce, payload: bytes) -> None:
    """kafka-retry-configurations and services-kinesis-batchfailurereporting, "Success and failure conditions"."""
    function = Function(lambda _: InvokeAnswer(payload))
    produce(0, [b"a"])
    with mapping(bootstrap, topic, function, report_batch_item_failures=True) as one:
        eventually(lambda: one.last_result == "OK")
    assert function.values(f"{topic}-0") == [b"a"]
    assert committed(bootstrap, topic, 0) == 1


@pytest.mark.parametrize("stranger", [None, "-0", "-1"], ids=["malformed", "unknown offset", "unknown partition"])
def test_a_malformed_answer_or_an_unknown_place_fails_the_whole_batch(
    bootstrap: str, topic: str, produce: Produce, stranger: str | None
) -> None:
    """services-kinesis-batchfailurereporting, "Success and failure conditions": a bad identifier fails all of it."""
    wrong = InvokeAnswer(b"done") if stranger is None else item_failures((topic + stranger, 1), (topic + stranger, 77))
    function = Function(lambda _: wrong if len(function.calls) == 1 else InvokeAnswer(b""))
    produce(0, [b"a", b"b"])
    with mapping(bootstrap, topic, function, report_batch_item_failures=True) as one:
        eventually(lambda: one.last_result == "OK")
    assert function.batches(f"{topic}-0") == [[b"a", b"b"]] * 2


def test_a_retry_holds_the_very_batch_that_failed(bootstrap: str, topic: str, produce: Produce) -> None:
    """kafka-retry-configurations: the batch is retried; what came meanwhile is no part of it."""

    def answer(_: Call) -> InvokeAnswer:
        if len(function.calls) > 2:
            return InvokeAnswer(b"")
        produce(0, [b"meanwhile"])
        return FAILED

    function = Function(answer)
    produce(0, [b"a", b"b"])
    with mapping(bootstrap, topic, function):
        eventually(lambda: function.values(f"{topic}-0").count(b"meanwhile") == 2)
    assert function.batches(f"{topic}-0")[:3] == [[b"a", b"b"]] * 3
    assert function.values(f"{topic}-0") == [b"a", b"b"] * 3 + [b"meanwhile"] * 2


def test_a_failed_batch_is_halved_until_the_bad_record_is_alone_and_order_is_kept(
    bootstrap: str, topic: str, produce: Produce
) -> None:
    """kafka-retry-configurations, "Split batch on error": two smaller batches, each tried by itself."""
    function, lost = failing(b"bad"), list[Discarded]()
    produce(0, [b"1", b"2", b"bad", b"4", b"5"])
    with mapping(
        bootstrap,
        topic,
        function,
        lost.append,
        bisect_batch_on_function_error=True,
        maximum_retries=0,
        window_seconds=1,
    ):
        eventually(lambda: committed(bootstrap, topic, 0) == 5)
    assert function.batches(f"{topic}-0") == [
        [b"1", b"2", b"bad", b"4", b"5"],
        [b"1", b"2", b"bad"],
        [b"1", b"2"],
        [b"bad"],
        [b"4", b"5"],
    ]
    assert [one.record.value for discarded in lost for one in discarded.records] == [b"bad"]


def test_halving_uses_up_no_retries(bootstrap: str, topic: str, produce: Produce) -> None:
    """with-kinesis, error handling: "Splitting a batch does not count towards the retry quota"."""
    function = failing(b"bad")
    produce(0, [b"1", b"bad"])
    with mapping(bootstrap, topic, function, bisect_batch_on_function_error=True, maximum_retries=2, window_seconds=1):
        eventually(lambda: committed(bootstrap, topic, 0) == 2)
    assert function.batches(f"{topic}-0") == [[b"1", b"bad"], [b"1"], [b"bad"], [b"bad"], [b"bad"]]


def test_a_partial_answer_is_not_halved_but_cut_where_it_says(bootstrap: str, topic: str, produce: Produce) -> None:
    """services-kinesis-batchfailurereporting, "Bisecting a batch": at the returned place, and only the rest again."""

    def answer(call: Call) -> InvokeAnswer:
        return item_failures((f"{topic}-0", 1)) if len(function.calls) == 1 else InvokeAnswer(b"")

    function = Function(answer)
    produce(0, [b"0", b"1", b"2", b"3"])
    with mapping(
        bootstrap,
        topic,
        function,
        bisect_batch_on_function_error=True,
        report_batch_item_failures=True,
        window_seconds=1,
    ):
        eventually(lambda: committed(bootstrap, topic, 0) == 4)
    assert function.batches(f"{topic}-0") == [[b"0", b"1", b"2", b"3"], [b"1", b"2", b"3"]]


def test_of_two_partitions_in_a_batch_the_half_that_is_well_does_not_wait_for_the_other(
    bootstrap: str, topic: str, produce: Produce
) -> None:
    """Own choice: halves that share no partition do not wait for each other, so a partition blocks itself alone."""
    function = failing(b"bad")
    produce(0, [b"bad"])
    produce(1, [b"good"])
    with mapping(bootstrap, topic, function, bisect_batch_on_function_error=True, window_seconds=2):
        eventually(lambda: committed(bootstrap, topic, 1) == 1)
        eventually(lambda: function.batches(f"{topic}-0").count([b"bad"]) >= 3)
    assert committed(bootstrap, topic, 0) <= 0


def test_progress_begins_the_retries_anew(bootstrap: str, topic: str, produce: Produce) -> None:
    """Own choice: retries are counted for the record at which a partial answer stops, as long as it stops there."""
    produce(0, [b"0", b"1", b"2"])

    def answer(call: Call) -> InvokeAnswer:
        tries = len(function.calls)
        return item_failures((f"{topic}-0", 0 if tries < 3 else 1)) if tries < 5 else InvokeAnswer(b"")

    function = Function(answer)
    with mapping(
        bootstrap, topic, function, report_batch_item_failures=True, maximum_retries=2, window_seconds=1
    ) as one:
        eventually(lambda: committed(bootstrap, topic, 0) == 3)
        assert one.last_result == "OK"
    assert [len(batch) for batch in function.batches(f"{topic}-0")] == [3, 3, 3, 2, 2]


def test_a_record_that_is_too_old_never_reaches_the_function(bootstrap: str, topic: str) -> None:
    """kafka-retry-configurations: the maximum age of a record that Lambda sends to the function."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0})
    now = int(time.time() * 1000)
    for value, age in ((b"old", 3600), (b"young", 0), (b"old too", 100), (b"young too", 1)):
        producer.produce(topic, value, partition=0, timestamp=now - age * 1000)
    assert producer.flush(30) == 0
    function, lost = Function(), list[Discarded]()
    with mapping(bootstrap, topic, function, lost.append, maximum_record_age_seconds=60, window_seconds=1):
        eventually(lambda: committed(bootstrap, topic, 0) == 4)
    assert function.values(f"{topic}-0") == [b"young", b"young too"]
    assert [(one.condition, [record.record.value for record in one.records]) for one in lost] == [
        ("RecordAgeExceeded", [b"old", b"old too"])
    ]
    assert lost[0].answer is None


def test_a_record_that_grows_too_old_between_retries_is_given_up(bootstrap: str, topic: str) -> None:
    """kafka-retry-configurations: the age is a limit to retries as well."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0})
    producer.produce(topic, b"bad", partition=0, timestamp=int((time.time() - 56) * 1000))
    assert producer.flush(30) == 0
    function, lost = failing(b"bad"), list[Discarded]()
    with mapping(bootstrap, topic, function, lost.append, maximum_record_age_seconds=60, maximum_retries=10_000):
        eventually(lambda: committed(bootstrap, topic, 0) == 1)
    assert len(function.calls) > 1
    assert [one.condition for one in lost] == ["RecordAgeExceeded"]
    assert lost[0].answer == FAILED


def test_a_record_that_no_event_can_hold_is_given_up_uncalled(
    bootstrap: str, make_topic: Callable[..., str], append_to: Callable[..., None]
) -> None:
    """kafka-on-failure: condition MaximumPayloadSizeExceeded, without a response context."""
    topic = make_topic(1, max_message_bytes="8000000")
    append_to(topic, 0, [b"before", b"x" * 5_000_000, b"after"])
    function, lost = Function(), list[Discarded]()
    with mapping(bootstrap, topic, function, lost.append):
        eventually(lambda: committed(bootstrap, topic, 0) == 3)
    assert function.values(f"{topic}-0") == [b"before", b"after"]
    assert [one.condition for one in lost] == ["MaximumPayloadSizeExceeded"]
    assert lost[0].metadata()["responseContext"] is None
