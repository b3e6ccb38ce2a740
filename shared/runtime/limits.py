"""What a sender is told of limits: all of them in a document, and the quota in headers."""

import math

from shared.events.admission import Allowance
from shared.events.encodings import ENCODINGS
from shared.events.limits import MAX_BATCH_BYTES, MAX_BATCH_EVENTS, MAX_EVENT_BYTES, MAX_EXTENSIONS, MAX_NESTING
from shared.events.media import BATCH, LINES, PLAIN, STRUCTURED
from shared.idempotency.ports import KEPT_SECONDS
from shared.runtime.parameters import MAX_WAIT_SECONDS

LIMITS: dict[str, object] = {
    "event_bytes": MAX_EVENT_BYTES,
    "batch_bytes": MAX_BATCH_BYTES,
    "batch_events": MAX_BATCH_EVENTS,
    "extension_attributes": MAX_EXTENSIONS,
    "nesting": MAX_NESTING,
    "content_encodings": ["identity", *ENCODINGS],
    "event_content_types": [PLAIN, STRUCTURED, "any with ce-* headers"],
    "batch_content_types": [PLAIN, BATCH, LINES],
    "idempotency_hours": KEPT_SECONDS // 3600,
    "wait_seconds": MAX_WAIT_SECONDS,
}
"""What `GET /v1/limits` tells. Sizes are those of the decoded body."""


def rate_limit_headers(allowance: Allowance) -> dict[str, str]:
    """The IETF draft's fields (draft-ietf-httpapi-ratelimit-headers-10), and the older ones.

    The policy `tenant` counts events; `w` and `t` are seconds.
    """
    quota = allowance.quota
    window = math.ceil(quota.burst / quota.events_per_second)
    return {
        "ratelimit-policy": f'"tenant";q={quota.burst};w={window}',
        "ratelimit": f'"tenant";r={allowance.remaining};t={allowance.reset_seconds}',
        "x-ratelimit-limit": str(quota.burst),
        "x-ratelimit-remaining": str(allowance.remaining),
        "x-ratelimit-reset": str(allowance.reset_seconds),
    }
