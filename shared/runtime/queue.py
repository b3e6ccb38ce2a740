"""A function that a queue wakes: what the messages say does not matter, only that there is something to do."""

import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import msgspec

from shared.events.drain import Drained
from shared.kit.deadline import Deadline
from shared.runtime import loop
from shared.runtime.telemetry import logger

type Work = Callable[[Deadline], Coroutine[Any, Any, Drained]]
type QueueHandler = Callable[[Mapping[str, Any], Any], dict[str, Any]]

_KEPT_SECONDS = 2.0  # of the function's time, for the answer


def queue_handler(work: Work) -> QueueHandler:
    """The handler of an event source mapping on a queue, with partial batch answers.

    While `work` has not finished, its messages are named as not done: they come again after their visibility timeout
    (Lambda developer guide, "Implementing partial batch responses" for Amazon SQS).
    """

    def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        started = time.monotonic()
        deadline = Deadline(context.get_remaining_time_in_millis() / 1000 - _KEPT_SECONDS)
        done = loop.run(work(deadline))
        milliseconds = round((time.monotonic() - started) * 1000, 1)
        messages = event.get("Records", [])
        fields = msgspec.structs.asdict(done) | {"messages": len(messages), "milliseconds": milliseconds}
        logger.info("queue.done", extra=fields)
        again = [] if done.finished else messages
        return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in again]}

    return handler
