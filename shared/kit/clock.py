"""The time, as a part that can be replaced."""

from datetime import UTC, datetime
from typing import Protocol

DAY_SECONDS = 24 * 3600


class Clock(Protocol):
    """Tells the wall-clock time."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC, to the microsecond."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class FixedClock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment
