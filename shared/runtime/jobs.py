"""A function that does steps of jobs: each message names one."""

import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any
from uuid import UUID

import msgspec

from shared.jobs.engine import Stepped
from shared.jobs.messages import decode
from shared.kit.deadline import Deadline
from shared.kit.errors import Malformed, Unavailable
from shared.runtime import loop
from shared.runtime.queue import QueueHandler
from shared.runtime.telemetry import logger

type StepWork = Callable[[UUID, Deadline], Coroutine[Any, Any, Stepped]]

_KEPT_SECONDS = 2.0  # of the function's time, for the answer


def step_handler(step: StepWork) -> QueueHandler:
    """The handler of an event source mapping on the queue of jobs, with partial batch answers.

    A message whose step could not be begun, or could not have itself continued, is named as not done, and comes again
    after its visibility timeout. So does that of a step which is killed.
    """

    def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        deadline = Deadline(context.get_remaining_time_in_millis() / 1000 - _KEPT_SECONDS)
        again = [record["messageId"] for record in event.get("Records", []) if not _is_done(step, record, deadline)]
        return {"batchItemFailures": [{"itemIdentifier": message} for message in again]}

    return handler


def _is_done(step: StepWork, record: Mapping[str, Any], deadline: Deadline) -> bool:
    started = time.monotonic()
    try:
        stepped = loop.run(step(decode(record["body"]), deadline))
    except Malformed:
        logger.error("jobs.unreadable", message_id=record["messageId"])  # nothing of ours, and nothing mends it
        return True
    except Unavailable:
        logger.exception("jobs.unavailable")
        return False
    milliseconds = round((time.monotonic() - started) * 1000, 1)
    logger.info("jobs.stepped", extra=msgspec.structs.asdict(stepped) | {"milliseconds": milliseconds})
    return True
