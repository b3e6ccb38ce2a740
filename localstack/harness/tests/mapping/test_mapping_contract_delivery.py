"""The contract, against a real broker: what is delivered, in which order, and what is committed.

Each test is a rule; its docstring names the page of the Lambda developer guide that the rule is from.
"""

import threading
import time
import uuid

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from mapping_kit import (
    BOUND_SECONDS,
    Call,
    Function,
    Produce,
    committed,
    eventually,
    mapping,
)

from millrace_harness.mapping import InvokeAnswer
from millrace_harness.mapping.config import MAX_PAYLOAD_BYTES
from millrace_harness.parts import Stack


def test_records_that_were_there_before_are_delivered_in_order_and_committed(
    bootstrap: str, topic: str, produce: Produce
) -> None:
    """invocation-eventsourcemapping: each record at least once; kafka-starting-positions: from the oldest one on."""
    values = [b"%d" % number for number in range(25)]
    produce(0, values)
    function = Function()
    with mapping(bootstrap, topic, function, batch_size=10) as one:
        eventually(lambda: len(function.values(f"{topic}-0")) == 25)
        assert one.last_result in ("OK", "No records processed")
    assert function.values(f"{topic}-0") == values
    assert max(len(values) for call in function.calls for values in call.values()) <= 10
    assert committed(bootstrap, topic, 0) == 25


def test_a_stopped_mapping_goes_on_where_it_ended(bootstrap: str, topic: str, produce: Produce) -> None:
    """kafka-consumer-group-id: a group that has committed goes on from there, whatever the starting position."""
    first, second = Function(), Function()
    produce(0, [b"a"])
    with mapping(bootstrap, topic, first):
        eventually(lambda: first.values(f"{topic}-0") == [b"a"])
    produce(0, [b"b"])
    with mapping(bootstrap, topic, second):
        eventually(lambda: bool(second.values(f"{topic}-0")))
    assert second.values(f"{topic}-0") == [b"b"]


def test_latest_passes_over_what_was_there(bootstrap: str, topic: str, produce: Produce) -> None:
    """kafka-starting-positions: LATEST starts just after the most recent record."""
    function = Function()
    produce(0, [b"old"])
    with mapping(bootstrap, topic, function, starting_position="LATEST"):
        end = time.monotonic() + BOUND_SECONDS
        while not function.values(f"{topic}-0") and time.monotonic() < end:
            produce(0, [b"new"])
            time.sleep(0.1)
    assert set(function.values(f"{topic}-0")) == {b"new"}


def test_a_window_collects_what_comes_within_it(bootstrap: str, topic: str, produce: Produce) -> None:
    """invocation-eventsourcemapping, "Batching behavior": the window is how long records are gathered."""
    function = Function()
    with mapping(bootstrap, topic, function, window_seconds=2):
        produce(0, [b"1"])
        produce(0, [b"2"])
        produce(1, [b"3"])
        eventually(lambda: len(function.values(f"{topic}-0") + function.values(f"{topic}-1")) == 3)
    assert len(function.calls) < 3


def test_a_call_under_way_when_it_is_stopped_is_let_end_and_committed(
    bootstrap: str, topic: str, produce: Produce
) -> None:
    """Own choice: a stop is no reason to do a batch twice."""
    begun, go_on = threading.Event(), threading.Event()

    def answer(_: Call) -> InvokeAnswer:
        begun.set()
        assert go_on.wait(BOUND_SECONDS)
        return InvokeAnswer(b"")

    function = Function(answer)
    produce(0, [b"a"])
    with mapping(bootstrap, topic, function) as one:
        assert begun.wait(BOUND_SECONDS)
        one.stop()
        assert one.running
        go_on.set()
    assert committed(bootstrap, topic, 0) == 1


def test_a_topic_that_is_made_later_is_found(bootstrap: str) -> None:
    """Own choice: a topic may be made after its mapping."""
    name = f"later-{uuid.uuid4()}"
    function = Function()
    with mapping(bootstrap, name, function):
        admin = AdminClient({"bootstrap.servers": bootstrap})
        for future in admin.create_topics([NewTopic(name, 1, 1)]).values():
            future.result(30)
        producer = Producer({"bootstrap.servers": bootstrap})
        producer.produce(name, b"a", partition=0)
        assert producer.flush(30) == 0
        eventually(lambda: function.values(f"{name}-0") == [b"a"])


@pytest.mark.timeout(180)
def test_a_broker_that_is_away_is_waited_for(bootstrap: str, topic: str, produce: Produce, stack: Stack) -> None:
    """Own choice: no broker, no end."""
    function = Function()
    produce(0, [b"before"])
    with mapping(bootstrap, topic, function):
        eventually(lambda: function.values(f"{topic}-0") == [b"before"])
        stack.part("kafka").stop()
        stack.part("kafka").start()
        stack.part("kafka").wait()
        produce(0, [b"after"])
        eventually(lambda: b"after" in function.values(f"{topic}-0"))
    assert committed(bootstrap, topic, 0) == 2


def test_a_batch_may_hold_ten_thousand_records(bootstrap: str, topic: str, produce: Produce) -> None:
    """API reference, CreateEventSourceMapping: BatchSize is 10,000 at most for Kafka."""
    values = [b"%d" % number for number in range(12_000)]
    produce(0, values)
    function = Function()
    with mapping(bootstrap, topic, function, batch_size=10_000, window_seconds=5):
        eventually(lambda: len(function.values(f"{topic}-0")) == 12_000)
    assert len(function.batches(f"{topic}-0")[0]) == 10_000
    assert function.values(f"{topic}-0") == values


def test_no_event_is_over_6_mb_and_no_record_is_lost_for_it(bootstrap: str, topic: str, produce: Produce) -> None:
    """invocation-eventsourcemapping, "Batching behavior": a batch ends at 6 MB, base64 counted."""
    large, small = [b"%d" % number + b"x" * 900_000 for number in range(12)], [b"small"] * 5
    produce(0, [*small, *large, *small])
    produce(1, large)
    sizes: list[int] = []
    function = Function()

    def invoke(payload: bytes) -> InvokeAnswer:
        sizes.append(len(payload))
        return function(payload)

    with mapping(bootstrap, topic, invoke, batch_size=10_000, window_seconds=2):
        eventually(lambda: len(function.values(f"{topic}-0")) == 22 and len(function.values(f"{topic}-1")) == 12)
    assert max(sizes) <= MAX_PAYLOAD_BYTES
    assert function.values(f"{topic}-0") == [*small, *large, *small]
    assert function.values(f"{topic}-1") == large
    assert [committed(bootstrap, topic, partition) for partition in (0, 1)] == [22, 12]


def test_each_consumer_group_gets_every_record(bootstrap: str, topic: str, produce: Produce) -> None:
    """kafka-consumer-group-id: the group is the one that was asked for."""
    one, other = Function(), Function()
    produce(0, [b"a"])
    with (
        mapping(bootstrap, topic, one, consumer_group="one-" + topic),
        mapping(bootstrap, topic, other, consumer_group="other-" + topic),
    ):
        eventually(lambda: one.values(f"{topic}-0") == other.values(f"{topic}-0") == [b"a"])


def test_where_latest_is_is_decided_once(bootstrap: str, topic: str, produce: Produce) -> None:
    """Own choice: a mapping that stops before its first batch does not pass over what comes until it starts again."""
    produce(0, [b"old"])
    with mapping(bootstrap, topic, Function(), starting_position="LATEST"):
        eventually(lambda: committed(bootstrap, topic, 0) == 1 and committed(bootstrap, topic, 1) == 0)
    produce(0, [b"meanwhile"])
    function = Function()
    with mapping(bootstrap, topic, function, starting_position="LATEST"):
        eventually(lambda: function.values(f"{topic}-0") == [b"meanwhile"])


def test_at_timestamp_begins_with_the_first_record_that_is_not_older(bootstrap: str, topic: str) -> None:
    """kafka-starting-positions: AT_TIMESTAMP, in seconds since 1970."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0})
    now = int(time.time())
    for age in (300, 200, 100):
        producer.produce(topic, b"%d" % age, partition=0, timestamp=(now - age) * 1000)
    producer.produce(topic, b"too old", partition=1, timestamp=(now - 300) * 1000)
    assert producer.flush(30) == 0
    function = Function()
    with mapping(bootstrap, topic, function, starting_position="AT_TIMESTAMP", starting_timestamp=float(now - 200)):
        eventually(lambda: function.values(f"{topic}-0") == [b"200", b"100"])
        producer.produce(topic, b"young", partition=1)
        assert producer.flush(30) == 0
        eventually(lambda: function.values(f"{topic}-1") == [b"young"])


def test_what_is_only_collected_when_it_is_stopped_is_left_for_the_next(
    bootstrap: str, topic: str, produce: Produce
) -> None:
    """Own choice: a stop does not wait out a window of five minutes, and commits nothing of it."""
    first, second = Function(), Function()
    produce(0, [b"a"])
    with mapping(bootstrap, topic, first, window_seconds=300):
        time.sleep(3)
    assert first.calls == []
    assert committed(bootstrap, topic, 0) <= 0
    with mapping(bootstrap, topic, second):
        eventually(lambda: second.values(f"{topic}-0") == [b"a"])
