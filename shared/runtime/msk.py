"""Lambda's event for Amazon MSK and self-managed Kafka, and its answer. The only module that knows their shape.

Source: Lambda developer guide, "Using Lambda with Amazon MSK" (example event) and "Partial batch responses".
"""

from binascii import a2b_base64
from collections.abc import Mapping, Sequence
from typing import Any

from shared.events.model import RawRecord


def records_of(event: Mapping[str, Any]) -> list[RawRecord]:
    """The event's records, in the order in which they are given: by partition, then by offset."""
    return [_record(record) for records in event["records"].values() for record in records]


def answer(unfinished: Sequence[RawRecord]) -> dict[str, Any]:
    """The answer for a batch in which everything before these records was done, one record a partition at most."""
    return {
        "batchItemFailures": [
            {"itemIdentifier": {"partition": f"{record.topic}-{record.partition}", "offset": record.offset}}
            for record in unfinished
        ]
    }


def _record(record: Mapping[str, Any]) -> RawRecord:
    value = record.get("value")
    return RawRecord(
        topic=record["topic"],
        partition=record["partition"],
        offset=record["offset"],
        value=None if value is None else a2b_base64(value),
    )
