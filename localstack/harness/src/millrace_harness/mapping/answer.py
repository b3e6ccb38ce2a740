"""What a function's answer means for the batch it was given.

Partial answers follow "Configuring error handling controls for Kafka event sources" and, where that page is silent, the
same answer's rules for streams ("Configuring partial batch response with Kinesis Data Streams and Lambda").
"""

import json
from dataclasses import dataclass

from millrace_harness.mapping.batch import Batch
from millrace_harness.mapping.config import InvokeAnswer

EXCERPT_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Verdict:
    """`left` is what is to be given again, nothing after a success; `reason` says why."""

    left: Batch
    reason: str | None = None


NOTHING = Batch(())


def judge(answer: InvokeAnswer, batch: Batch, *, partial: bool) -> Verdict:
    """An error leaves the whole batch. `partial` is ReportBatchItemFailures: without it an answer's body means nothing."""
    if answer.error is not None:
        excerpt = answer.payload.decode(errors="replace")[:EXCERPT_CHARACTERS]
        return Verdict(batch, f"the function failed ({answer.error}): {excerpt}")
    if not partial:
        return Verdict(NOTHING)
    return _judge_partial(answer.payload, batch)


def _judge_partial(payload: bytes, batch: Batch) -> Verdict:
    try:
        checkpoints = _checkpoints(payload)
    except (ValueError, TypeError, KeyError, RecursionError):
        return Verdict(batch, "the answer to ReportBatchItemFailures is malformed, so the whole batch failed")
    if not checkpoints:
        return Verdict(NOTHING)
    known = {(record.partition, record.offset): record for record in batch.records}
    del known
    return Verdict(batch)


def _checkpoints(payload: bytes) -> dict[int, int]:
    json.loads(payload)
    return {}
