"""The event that a function is given, as AWS documents it ("Using Lambda with Amazon MSK", "Kafka event structure").

A record is encoded once, when it arrives: so the size of an event is known to the byte before it is put together, and a
retry costs nothing.
"""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

MAX_EVENT_BYTES = 6 * 1024 * 1024
"""Of a synchronous invocation (AWS Lambda, "Lambda quotas"), base64 and headers included."""

type TimestampType = Literal["CREATE_TIME", "LOG_APPEND_TIME", "NO_TIMESTAMP_TYPE"]
type Headers = Iterable[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the topic: where it was, when it came (monotonic seconds), and how it looks in the event."""

    partition: int
    offset: int
    arrived: float
    encoded: bytes


def encode_record(
    *,
    topic: str,
    partition: int,
    offset: int,
    timestamp: int,
    timestamp_type: TimestampType,
    key: bytes | None,
    value: bytes | None,
    headers: Headers,
) -> bytes:
    """One record as it stands in the event. `timestamp` is in milliseconds; a tombstone's value is null."""
    told = {
        "topic": topic,
        "partition": partition,
        "offset": offset,
        "timestamp": timestamp,
        "timestampType": timestamp_type,
        "key": _base64(key),
        "value": _base64(value),
        "headers": [{name: _signed(content or b"")} for name, content in headers],
    }
    return _json(told)


class EventWriter:
    """Puts records together to the event of one mapping."""

    def __init__(self, *, topic: str, bootstrap: str, event_source_arn: str | None) -> None:
        source: dict[str, str] = {"eventSource": "aws:kafka" if event_source_arn else "SelfManagedKafka"}
        if event_source_arn:
            source["eventSourceArn"] = event_source_arn
        source["bootstrapServers"] = bootstrap
        self._head = _json(source)[:-1] + b',"records":{'
        self._topic = topic

    @property
    def empty_bytes(self) -> int:
        """The size of an event without records."""
        return len(self._head) + len(b"}}")

    def partition_bytes(self, partition: int) -> int:
        """What the first record of one more partition costs, beside its own size."""
        return len(self._opening(partition)) + len(b"],")

    def write(self, records: Iterable[Record]) -> bytes:
        """The event. Each partition's records stay in the order they have here."""
        by_partition = groupby(sorted(records, key=_partition), key=_partition)  # sorting is stable
        lists = [
            self._opening(partition) + b",".join(record.encoded for record in members) + b"]"
            for partition, members in by_partition
        ]
        return self._head + b",".join(lists) + b"}}"

    def _opening(self, partition: int) -> bytes:
        return _json(f"{self._topic}-{partition}") + b":["


def _partition(record: Record) -> int:
    return record.partition


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _base64(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


def _signed(data: bytes) -> list[int]:
    """Bytes as Java has them: from -128 to 127."""
    return [byte - 256 if byte > 127 else byte for byte in data]
