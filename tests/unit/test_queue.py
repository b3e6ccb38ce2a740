"""A function that a queue wakes, as Lambda sees it."""

from typing import Any

import pytest

from shared.adapters.memory.admission import MemoryAdmission
from shared.adapters.memory.events import MemoryEventLog
from shared.adapters.memory.spool import MemorySpool
from shared.events.drain import Drain, Drained
from shared.events.objects import object_name
from shared.kit.deadline import Deadline
from shared.runtime.queue import QueueHandler, queue_handler
from tests.fixtures.events import an_event
from tests.fixtures.samples import sample


class Context:
    """What Lambda hands over beside the event."""

    def __init__(self, milliseconds: int = 30_000) -> None:
        self._milliseconds = milliseconds

    def get_remaining_time_in_millis(self) -> int:
        return self._milliseconds


ALL = {
    "batchItemFailures": [
        {"itemIdentifier": "059f36b4-87a3-44ab-83d2-661975830a7d"},
        {"itemIdentifier": "2e1424d4-f796-459a-8184-9c92662be6da"},
    ]
}
NONE: dict[str, Any] = {"batchItemFailures": []}


def doing(*, finished: bool) -> QueueHandler:
    async def work(deadline: Deadline) -> Drained:
        return Drained(1, 1, finished=finished)

    return queue_handler(work)


def test_messages_of_finished_work_are_done() -> None:
    assert doing(finished=True)(sample("sqs-s3.json"), Context()) == NONE


def test_messages_of_unfinished_work_come_again() -> None:
    assert doing(finished=False)(sample("sqs-s3.json"), Context()) == ALL


def test_what_a_message_says_does_not_matter() -> None:
    event = sample("sqs-s3.json")
    for record in event["Records"]:
        record["body"] = "{"
    assert doing(finished=True)(event, Context()) == NONE


def test_work_ends_before_the_function_does() -> None:
    seen: list[float] = []

    async def work(deadline: Deadline) -> Drained:
        seen.append(deadline.left())
        return Drained(0, 0, finished=True)

    queue_handler(work)(sample("sqs-s3.json"), Context(10_000))
    assert 7 < seen[0] <= 8


def test_an_error_that_nobody_foresaw_fails_the_batch() -> None:
    async def broken(deadline: Deadline) -> Drained:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        queue_handler(broken)(sample("sqs-s3.json"), Context())


def test_a_handler_empties_the_spool_once_the_log_is_well() -> None:
    spool, log = MemorySpool(), MemoryEventLog()
    spool.objects = {object_name("1"): [an_event()], object_name("2"): [an_event(), an_event()]}
    handler = queue_handler(Drain(spool, log, MemoryAdmission()))
    log.away = True
    assert handler(sample("sqs-s3.json"), Context()) == ALL
    log.away = False
    assert handler(sample("sqs-s3.json"), Context()) == NONE
    assert (len(log.records()), spool.objects) == (3, {})
    assert handler(sample("sqs-s3.json"), Context()) == NONE


def test_a_handler_without_time_leaves_everything_for_the_next() -> None:
    spool = MemorySpool()
    spool.objects = {object_name("1"): [an_event()]}
    handler = queue_handler(Drain(spool, MemoryEventLog(), MemoryAdmission()))
    assert handler(sample("sqs-s3.json"), Context(3_000)) == ALL
    assert len(spool.objects) == 1
