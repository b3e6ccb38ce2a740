"""How long something has not been used, also across a freeze."""

import time
from collections.abc import Callable


class Idle:
    """Tells when the last use was more than `limit_seconds` ago.

    A frozen environment's monotonic clock may have stood still, and its wall clock may have been set: whichever says
    more is believed. A connection that is dropped for nothing costs milliseconds, one that is dead costs a request.
    """

    def __init__(
        self,
        limit_seconds: float,
        *,
        wall: Callable[[], float] = lambda: time.time(),
        monotonic: Callable[[], float] = lambda: time.monotonic(),
    ) -> None:
        self._limit = limit_seconds
        self._wall = wall
        self._monotonic = monotonic
        self.touch()

    def touch(self) -> None:
        """It is used now."""
        self._last = (self._wall(), self._monotonic())

    def over(self) -> bool:
        """Whether it has been unused for longer than the limit."""
        wall, monotonic = self._last
        return max(self._wall() - wall, self._monotonic() - monotonic) > self._limit
