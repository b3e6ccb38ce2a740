"""What both are sent: API Gateway proxy events (v1) with events of 1 KB of plausible JSON.

The text is of random words, not of one letter repeated: compression is a part of the work, and padding flatters it.
"""

import json
import random
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

KEY = "a-key-for-the-benchmark"
EVENT_BYTES = 1024

_SAMPLE = Path(__file__).parents[2] / "tests/samples/apigateway-v1.json"
_CUSTOMERS = 1000  # keys that come again, as customers do
_WORDS = 2000


class Payloads:
    """Requests that never repeat an event: an event that was seen before would be answered from memory."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)
        letters = "etaoinshrdlucmfwypvbgkqjxz"
        self._words = ["".join(self._random.choices(letters, k=self._random.randint(2, 9))) for _ in range(_WORDS)]
        self._sample: dict[str, Any] = json.loads(_SAMPLE.read_bytes())
        self._number = 0

    def singles(self, count: int) -> Iterator[bytes]:
        """`count` requests of one event each."""
        for _ in range(count):
            yield self._request("/v1/events", json.dumps(self._event()))

    def batches(self, count: int, events: int) -> Iterator[bytes]:
        """`count` requests of `events` events each."""
        for _ in range(count):
            batch = {"events": [self._event() for _ in range(events)]}
            yield self._request("/v1/events/batch", json.dumps(batch))

    def events(self, count: int) -> Iterator[dict[str, Any]]:
        """`count` events as a client writes them."""
        for _ in range(count):
            yield self._event()

    def _event(self) -> dict[str, Any]:
        self._number += 1
        event: dict[str, Any] = {
            "type": "order.placed",
            "id": str(uuid.uuid4()),
            "source": "/shop/eu",
            "subject": f"customer-{self._random.randrange(_CUSTOMERS)}",
            "time": "2026-03-04T05:06:07.125Z",
            "data": {
                "number": self._number,
                "total": f"{self._random.randrange(10_000)}.90",
                "currency": "EUR",
                "lines": [{"sku": f"sku-{self._random.randrange(5000)}", "quantity": 2} for _ in range(2)],
                "note": "",
            },
        }
        missing = EVENT_BYTES - len(json.dumps(event))
        event["data"]["note"] = " ".join(self._random.choices(self._words, k=missing // 3))[:missing]
        return event

    def _request(self, path: str, body: str) -> bytes:
        sample = self._sample
        headers = sample["headers"] | {"Authorization": f"Bearer {KEY}"}
        event = sample | {
            "path": path,
            "resource": path,
            "headers": headers,
            "multiValueHeaders": {name: [value] for name, value in headers.items()},
            "requestContext": sample["requestContext"] | {"path": f"/local{path}", "resourcePath": path},
            "body": body,
        }
        return json.dumps(event).encode()
