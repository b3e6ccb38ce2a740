"""A consumer as a Lambda function: records in, outcomes to an answer."""

import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, assert_never

from shared.events.model import Outcome, RawRecord
from shared.runtime import loop, payload
from shared.runtime.msk import KafkaEvent, answer, event_of, records_of
from shared.runtime.telemetry import logger

type Process = Callable[[Sequence[RawRecord]], Coroutine[Any, Any, list[Outcome]]]
type BatchHandler = Callable[[KafkaEvent | Mapping[str, Any], Any], dict[str, Any]]


def batch_handler(process: Process) -> BatchHandler:
    """The handler that a Kafka event source mapping is given.

    Its answer names, for each partition, the first record that is not done; the mapping comes again from there, so
    order holds and nothing is passed over. An exception fails the whole batch: it comes again as well. In Lambda the
    event is read as records at once; a dictionary will do as well.
    """
    payload.read_by(event_of)

    def handler(event: KafkaEvent | Mapping[str, Any], context: Any) -> dict[str, Any]:
        started = time.monotonic()
        records = records_of(event)
        outcomes = loop.run(process(records))
        unfinished = first_unfinished(records, outcomes)
        counts = {outcome.value: count for outcome, count in Counter(outcomes).items()}
        milliseconds = round((time.monotonic() - started) * 1000, 1)
        logger.info("batch.done", records=len(records), outcomes=counts, milliseconds=milliseconds)
        return answer(unfinished)

    return handler


def first_unfinished(records: Sequence[RawRecord], outcomes: Sequence[Outcome]) -> list[RawRecord]:
    """For each partition the first record that is not done.

    Done is what is stored, what was before, and what is invalid: whoever says so of a record has put it where it is not
    lost.
    """
    first: dict[tuple[str, int], RawRecord] = {}
    for record, outcome in zip(records, outcomes, strict=True):
        match outcome:
            case Outcome.STORED | Outcome.DUPLICATE | Outcome.INVALID:
                continue
            case Outcome.UNAVAILABLE:
                if first.setdefault((record.topic, record.partition), record) is record:
                    # Nothing is skipped: the partition waits at this record until it can be stored or taken out.
                    place = f"{record.topic}-{record.partition}@{record.offset}"
                    logger.error("batch.partition_waits", outcome=outcome.value, place=place)
            case _ as unreachable:
                assert_never(unreachable)
    return list(first.values())
