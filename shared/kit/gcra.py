"""The generic cell rate algorithm (ITU-T I.371, annex A): a quota in one number."""

import math
from typing import NamedTuple


class Taken(NamedTuple):
    """`given` units were given. `remaining` are left now, and all of the burst is again in `reset_seconds`.

    `retry_seconds` is when the next unit can be had, 0 if now.
    """

    given: int
    remaining: int
    reset_seconds: int
    retry_seconds: int


class Gcra:
    """`per_second` units for long, `burst` at once. Times are seconds of any steady clock."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._interval = 1 / per_second
        self._burst = burst
        self._full_at = 0.0  # when all of the burst is there again

    def take(self, wanted: int, now: float) -> Taken:
        """As many of `wanted` as there are."""
        full_at = max(self._full_at, now)
        free = math.floor(self._burst - (full_at - now) / self._interval + 1e-9)
        count = max(0, min(wanted, free))
        self._full_at = full_at + count * self._interval
        until_full = self._full_at - now
        retry = until_full - (self._burst - 1) * self._interval
        return Taken(count, max(0, free - count), math.ceil(until_full), max(0, math.ceil(retry)))
