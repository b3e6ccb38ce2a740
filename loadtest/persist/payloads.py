"""What both consumers are sent: Lambda's events for MSK, with records that hold the same clients' events of 1 KB."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from loadtest.cpu.payloads import Payloads
from shared.events.envelope import encode
from shared.events.model import Event, event_key

PARTITIONS = 12
_CLUSTER = "arn:aws:kafka:us-east-1:000000000000:cluster/benchmark/0"
type Value = Callable[[dict[str, Any]], bytes]

_TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Records:
    """Batches whose records follow one another in each of 12 partitions, and never repeat an event."""

    def __init__(self, seed: int = 3) -> None:
        self._clients = Payloads(seed)
        self._offsets = [0] * PARTITIONS

    def batches(self, count: int, records: int) -> list[bytes]:
        """`count` batches for ours."""
        return [self._batch(records, _ours) for _ in range(count)]

    def naive_batches(self, count: int, records: int) -> list[bytes]:
        """`count` batches for the twin."""
        return [self._batch(records, _naive) for _ in range(count)]

    def _batch(self, records: int, value: Value) -> bytes:
        grouped: dict[str, list[dict[str, object]]] = {}
        for event, partition in zip(self._clients.events(records), self._spread(records), strict=True):
            self._offsets[partition] += 1
            grouped.setdefault(f"events-{partition}", []).append(
                {
                    "topic": "events",
                    "partition": partition,
                    "offset": self._offsets[partition],
                    "timestamp": 1772600767015,
                    "timestampType": "CREATE_TIME",
                    "key": _base64(f"demo/{event['subject']}".encode()),
                    "value": _base64(value(event)),
                    "headers": [],
                }
            )
        head = {"eventSource": "aws:kafka", "eventSourceArn": _CLUSTER, "bootstrapServers": "127.0.0.1:9"}
        return json.dumps(head | {"records": grouped}, separators=(",", ":")).encode()

    def _spread(self, records: int) -> Iterator[int]:
        yield from (number * PARTITIONS // records for number in range(records))


def _ours(event: dict[str, Any]) -> bytes:
    key = event_key("demo", event["source"], event["id"])
    return encode(
        Event(
            key=key,
            tenant="demo",
            principal="development-key",
            id=event["id"],
            source=event["source"],
            type=event["type"],
            partition_key=event["subject"],
            received_at=datetime.now(UTC),
            subject=event["subject"],
            time=datetime.fromisoformat(event["time"]),
            data=msgspec.Raw(json.dumps(event["data"]).encode()),
            traceparent=_TRACE,
        )
    )


def _naive(event: dict[str, Any]) -> bytes:
    record = {"event": event, "tenant": "demo", "principal": "demo", "received_at": datetime.now(UTC).isoformat()}
    return json.dumps(record, separators=(",", ":")).encode()


def _base64(content: bytes) -> str:
    return b64encode(content).decode()
