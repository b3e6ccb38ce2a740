"""What the contract's tests share: a function that notes its calls, a mapping around it, and what was committed."""

import json
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

from millrace_harness.mapping import Destination, EventSourceMapping, InvokeAnswer, MappingConfig, Pace

BOUND_SECONDS = 40.0
FAILED = InvokeAnswer(b'{"errorMessage": "no"}', "Unhandled", request_id="request-1")

type Produce = Callable[[int, list[bytes]], None]
type Call = dict[str, list[bytes]]


class Function:
    """Notes what it is called with, and answers what the test wants."""

    def __init__(self, answer: Callable[[Call], InvokeAnswer] | None = None) -> None:
        self.calls: list[Call] = []
        self.events: list[dict[str, Any]] = []
        self._answer = answer or (lambda _: InvokeAnswer(b"null"))

    def __call__(self, payload: bytes) -> InvokeAnswer:
        event = json.loads(payload)
        call = {
            place: [b64decode(record["value"] or "") for record in group] for place, group in event["records"].items()
        }
        self.events.append(event)
        self.calls.append(call)
        return self._answer(call)

    def values(self, place: str) -> list[bytes]:
        return [value for call in list(self.calls) for value in call.get(place, [])]

    def batches(self, place: str) -> list[list[bytes]]:
        return [call[place] for call in list(self.calls) if place in call]


def failing(*values: bytes) -> Function:
    """A function that fails as a whole where one of these is in its batch."""

    def answer(call: Call) -> InvokeAnswer:
        return FAILED if any(value in group for group in call.values() for value in values) else InvokeAnswer(b"")

    return Function(answer)


def item_failures(*places: tuple[str, int]) -> InvokeAnswer:
    items = [{"itemIdentifier": {"partition": place, "offset": offset}} for place, offset in places]
    return InvokeAnswer(json.dumps({"batchItemFailures": items}).encode())


def eventually(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + BOUND_SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@contextmanager
def mapping(
    bootstrap: str,
    topic: str,
    function: Callable[[bytes], InvokeAnswer],
    on_failure: Destination | None = None,
    pace: Pace | None = None,
    **options: object,
) -> Iterator[EventSourceMapping]:
    settings: dict[str, object] = {
        "topic": topic,
        "consumer_group": f"group-of-{topic}",
        "bootstrap": bootstrap,
        "event_source_arn": None,
        "identifier": "5c4f6a3e-0000-4000-8000-000000000000",
        "function_arn": "arn:aws:lambda:eu-central-1:000000000000:function:one",
    }
    config = MappingConfig(**(settings | options))  # type: ignore[arg-type]
    one = EventSourceMapping(config, function, on_failure, pace=pace)
    one.start()
    try:
        yield one
    finally:
        one.stop()
        eventually(lambda: not one.running)


def committed(bootstrap: str, topic: str, partition: int) -> int:
    """The group's committed offset; negative where there is none."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": f"group-of-{topic}"})
    try:
        return int(consumer.committed([TopicPartition(topic, partition)], 10)[0].offset)
    except KafkaException:
        return -1  # a broker that has just started looks for the group's coordinator
    finally:
        consumer.close()


def all_records(bootstrap: str, topic: str, count: int) -> list[Any]:
    """The first `count` records of a topic, as they come."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": f"reader-of-{topic}", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([topic])
    found: list[Any] = []
    end = time.monotonic() + BOUND_SECONDS
    try:
        while len(found) < count:
            assert time.monotonic() < end, "they did not come in time"
            found += [one for one in consumer.consume(count, 0.2) if one.error() is None]
        return found
    finally:
        consumer.close()
