"""What a request may hold. Told by `GET /v1/limits`, enforced by the formats."""

MAX_EVENT_BYTES = 256 * 1024
"""One event, as its sender wrote it. 256 KiB is also what EventBridge and SQS took for years: senders know it."""

MAX_BATCH_BYTES = 4 * 1024 * 1024
"""One request. Lambda takes 6 MB in all, and a body inside API Gateway's event grows by its escapes."""

MAX_BATCH_EVENTS = 1000
MAX_EXTENSIONS = 32

YEARS = range(2, 9999)
"""Years of a moment: what stays a date in any time zone, here and in PostgreSQL."""

MAX_NESTING = 4000
"""Levels of arrays and objects in `data`: well below what msgspec (10,000 in all) and jsonb (16,000) can read."""

LIMITS: dict[str, object] = {
    "event_bytes": MAX_EVENT_BYTES,
    "batch_bytes": MAX_BATCH_BYTES,
    "batch_events": MAX_BATCH_EVENTS,
    "extension_attributes": MAX_EXTENSIONS,
    "nesting": MAX_NESTING,
    "content_encodings": ["identity", "gzip", "zstd"],
    "event_content_types": ["application/json", "application/cloudevents+json", "any with ce-* headers"],
    "batch_content_types": ["application/json", "application/cloudevents-batch+json", "application/x-ndjson"],
    "idempotency_hours": 24,
    "wait_seconds": 8,
}
"""What `GET /v1/limits` tells. Sizes are those of the decoded body."""
