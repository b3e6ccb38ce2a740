import json
import threading
import time
import uuid
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from millrace_harness.mapping import EventSourceMapping, InvokeAnswer, MappingConfig
from millrace_harness.parts import Stack

BOUND_SECONDS = 40.0

type Produce = Callable[[int, list[bytes]], None]


class Function:
    """Notes what it is called with, and answers what the test wants."""

    def __init__(self, answer: Callable[[dict[str, list[bytes]]], InvokeAnswer] | None = None) -> None:
        self.calls: list[dict[str, list[bytes]]] = []
        self._answer = answer or (lambda _: InvokeAnswer(b"null"))

    def __call__(self, payload: bytes) -> InvokeAnswer:
        groups = json.loads(payload)["records"]
        call = {place: [b64decode(record["value"]) for record in group] for place, group in groups.items()}
        self.calls.append(call)
        return self._answer(call)

    def values(self, place: str) -> list[bytes]:
        return [value for call in list(self.calls) for value in call.get(place, [])]


def eventually(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + BOUND_SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@contextmanager
def mapping(bootstrap: str, topic: str, function: Function, **options: object) -> Iterator[EventSourceMapping]:
    settings: dict[str, object] = {
        "topic": topic,
        "consumer_group": f"group-of-{topic}",
        "bootstrap": bootstrap,
        "event_source_arn": None,
    }
    one = EventSourceMapping(MappingConfig(**(settings | options)), function)  # type: ignore[arg-type]
    one.start()
    try:
        yield one
    finally:
        one.stop()
        eventually(lambda: not one.running)


def committed(bootstrap: str, topic: str, partition: int) -> int:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": f"group-of-{topic}"})
    try:
        return consumer.committed([TopicPartition(topic, partition)], 10)[0].offset
    finally:
        consumer.close()


def test_records_that_were_there_before_are_delivered_in_order_and_committed(
    bootstrap: str, topic: str, produce: Produce
) -> None:
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
    first, second = Function(), Function()
    produce(0, [b"a"])
    with mapping(bootstrap, topic, first):
        eventually(lambda: first.values(f"{topic}-0") == [b"a"])
    produce(0, [b"b"])
    with mapping(bootstrap, topic, second):
        eventually(lambda: bool(second.values(f"{topic}-0")))
    assert second.values(f"{topic}-0") == [b"b"]


def test_latest_passes_over_what_was_there(bootstrap: str, topic: str, produce: Produce) -> None:
    function = Function()
    produce(0, [b"old"])
    with mapping(bootstrap, topic, function, starting_position="LATEST"):
        end = time.monotonic() + BOUND_SECONDS
        while not function.values(f"{topic}-0") and time.monotonic() < end:
            produce(0, [b"new"])
            time.sleep(0.1)
    assert set(function.values(f"{topic}-0")) == {b"new"}


def test_a_window_collects_what_comes_within_it(bootstrap: str, topic: str, produce: Produce) -> None:
    function = Function()
    with mapping(bootstrap, topic, function, window_seconds=2):
        produce(0, [b"1"])
        produce(0, [b"2"])
        produce(1, [b"3"])
        eventually(lambda: len(function.values(f"{topic}-0") + function.values(f"{topic}-1")) == 3)
    assert len(function.calls) < 3


def test_a_function_error_brings_the_whole_batch_again(bootstrap: str, topic: str, produce: Produce) -> None:
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
    refused = threading.Event()

    def answer(call: dict[str, list[bytes]]) -> InvokeAnswer:
        if refused.is_set() or b"bad" not in call.get(f"{topic}-0", []):
            return InvokeAnswer(b"")
        refused.set()
        identifier = {"partition": f"{topic}-0", "offset": 1}
        return InvokeAnswer(json.dumps({"batchItemFailures": [{"itemIdentifier": identifier}]}).encode())

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
    def answer(call: dict[str, list[bytes]]) -> InvokeAnswer:
        failed = [{"itemIdentifier": {"partition": f"{topic}-0", "offset": 0}}] if f"{topic}-0" in call else []
        return InvokeAnswer(json.dumps({"batchItemFailures": failed}).encode())

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
    def answer(_: dict[str, list[bytes]]) -> InvokeAnswer:
        if len(function.calls) > 1:
            return InvokeAnswer(b"")
        produce(1, [b"other"])  # is there at once, and opens a window before the retry of partition 0 is due
        return InvokeAnswer(b"{}", "Unhandled")

    function = Function(answer)
    produce(0, [b"again"])
    with mapping(bootstrap, topic, function, window_seconds=3):
        eventually(lambda: function.values(f"{topic}-0").count(b"again") == 2)
    assert function.calls[1] == {f"{topic}-0": [b"again"], f"{topic}-1": [b"other"]}


def test_records_are_dropped_when_the_retries_are_used_up(bootstrap: str, topic: str, produce: Produce) -> None:
    def answer(call: dict[str, list[bytes]]) -> InvokeAnswer:
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


def test_a_call_under_way_when_it_is_stopped_is_let_end_and_committed(
    bootstrap: str, topic: str, produce: Produce
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def answer(_: dict[str, list[bytes]]) -> InvokeAnswer:
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
