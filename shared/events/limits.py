"""What a request may hold. Enforced by the formats."""

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

MAX_FAULTS_OF_ONE = 5
"""Faults told of one event in a batch: a thousand of them must stay within Lambda's 6 MB."""
