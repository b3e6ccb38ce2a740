"""A function that the clock starts: its chores, one after the other. One that fails keeps none from its turn."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from shared.kit.deadline import Deadline
from shared.runtime import loop
from shared.runtime.telemetry import logger

type ScheduleHandler = Callable[[Mapping[str, Any], Any], None]

_KEPT_SECONDS = 3.0  # of the function's time, for what a chore that is late takes to end


@dataclass(frozen=True, slots=True)
class Chore:
    """Something to do at each run. `work` can be repeated, and can be cut off anywhere without harm.

    It is given a deadline, after which it is cancelled; what it answers is written to the log. `kept_seconds` of the
    run's time are for it: those before it have to do without them.
    """

    name: str
    work: Callable[[Deadline], Coroutine[Any, Any, msgspec.Struct | None]]
    kept_seconds: float = 0.0


class ChoresFailed(Exception):
    """Names the chores of a run that failed; why, the log says. The run counts as failed, and the next one comes."""


def schedule_handler(chores: Sequence[Chore]) -> ScheduleHandler:
    """The handler that does `chores` in the order given, each with the time that is left but for what others must have.

    Raises:
        ChoresFailed: one or more failed. The others were done.
    """

    def handler(event: Mapping[str, Any], context: Any) -> None:
        run = Deadline(context.get_remaining_time_in_millis() / 1000 - _KEPT_SECONDS)
        kept, failed = sum(chore.kept_seconds for chore in chores), []
        for chore in chores:
            kept -= chore.kept_seconds
            if not loop.run(_is_done(chore, Deadline(run.left() - kept))):
                failed.append(chore.name)
        if failed:
            raise ChoresFailed(", ".join(failed))

    return handler


async def _is_done(chore: Chore, deadline: Deadline) -> bool:
    started = time.monotonic()
    try:
        async with asyncio.timeout(deadline.left()):
            done = await chore.work(deadline)
    except Exception:
        logger.exception("chore.failed", chore=chore.name)
        return False
    milliseconds = round((time.monotonic() - started) * 1000, 1)
    fields = {} if done is None else msgspec.structs.asdict(done)
    logger.info("chore.done", extra=fields | {"chore": chore.name, "milliseconds": milliseconds})
    return True
