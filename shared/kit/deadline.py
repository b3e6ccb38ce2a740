"""How long there is, counted on a clock that is never set."""

import time


class Deadline:
    """A moment after which nobody waits any more."""

    __slots__ = ("_at",)

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds until then, 0 when it has passed."""
        return max(0.0, self._at - time.monotonic())
