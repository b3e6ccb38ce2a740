"""What the function's answer means for each record of the batch.

Source: Lambda developer guide, "Reporting batch item failures" for Kafka event sources: an empty or null answer, or an
empty list, is a success; an answer that is malformed, or names a record that is not in the batch, fails all of it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from millrace_harness.mapping.config import InvokeAnswer
from millrace_harness.mapping.event import Encoded


@dataclass(frozen=True, slots=True)
class Verdict:
    """`retry_from` names for each partition that failed the first offset that is not done; `problem` says why.

    `whole` tells the failure of all of the batch from an answer that names places in it.
    """

    retry_from: Mapping[int, int]
    problem: str | None = None
    whole: bool = False


def read(answer: InvokeAnswer, records: Sequence[Encoded], *, item_failures: bool) -> Verdict:
    """What is to be done again. `item_failures` says whether the mapping reads partial answers at all."""
    if answer.error is not None:
        return everything(records, f"the function failed ({answer.error}): {_shortened(answer.payload)}")
    if not item_failures:
        return Verdict({})
    try:
        failures = _failures(answer.payload)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return everything(records, f"the answer is malformed: {_shortened(answer.payload)}")
    known = {(f"{one.record.topic}-{one.record.partition}", one.record.offset): one.record for one in records}
    retry_from: dict[int, int] = {}
    for place in failures:
        record = known.get(place)
        if record is None:
            return everything(records, f"the answer names {place[0]}@{place[1]}, which is not in the batch")
        retry_from[record.partition] = min(record.offset, retry_from.get(record.partition, record.offset))
    return Verdict(retry_from, f"{len(failures)} of {len(records)} records failed" if failures else None)


def everything(records: Sequence[Encoded], problem: str) -> Verdict:
    """The whole batch failed."""
    retry_from: dict[int, int] = {}
    for one in records:
        retry_from.setdefault(one.record.partition, one.record.offset)
    return Verdict(retry_from, problem, whole=True)


def _failures(payload: bytes) -> list[tuple[str, int]]:
    answer: Any = json.loads(payload) if payload.strip() else None
    if answer is None:
        return []
    if not isinstance(answer, dict):
        raise TypeError("not an object")
    listed = answer.get("batchItemFailures") or []
    return [_place(failure["itemIdentifier"]) for failure in listed]


def _place(identifier: Mapping[str, Any]) -> tuple[str, int]:
    partition, offset = identifier["partition"], identifier["offset"]
    if not isinstance(partition, str) or not isinstance(offset, int):
        raise TypeError("not a place")
    return partition, offset


def _shortened(payload: bytes) -> str:
    return payload[:500].decode(errors="replace")
