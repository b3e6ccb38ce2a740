"""Quotas in headers: the IETF draft's fields (draft-ietf-httpapi-ratelimit-headers-10), and the older ones."""

import math

from shared.events.admission import Allowance


def rate_limit_headers(allowance: Allowance) -> dict[str, str]:
    """What is left of the quota. The policy `tenant` counts events; `w` and `t` are seconds."""
    quota = allowance.quota
    window = math.ceil(quota.burst / quota.events_per_second)
    return {
        "ratelimit-policy": f'"tenant";q={quota.burst};w={window}',
        "ratelimit": f'"tenant";r={allowance.remaining};t={allowance.reset_seconds}',
        "x-ratelimit-limit": str(quota.burst),
        "x-ratelimit-remaining": str(allowance.remaining),
        "x-ratelimit-reset": str(allowance.reset_seconds),
    }
