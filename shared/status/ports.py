"""Where the figures come from."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Protocol

from shared.status.model import Connections, Consumer, ConsumerLag, DeadLetters, Latency, Partitions


class LogFigures(Protocol):
    """The log, asked about its consumers. Nothing is consumed, and no group is joined."""

    async def lag(self, consumers: Sequence[Consumer]) -> list[ConsumerLag]:
        """How far behind each is, in the order given. A group that has done nothing yet starts at the oldest record.

        Raises:
            Unavailable: no broker answered in time, or a topic is not there.
        """
        ...


class StorageFigures(Protocol):
    """Storage, asked about itself. What is asked costs some milliseconds, however much is stored.

    Every method raises `Unavailable` when storage does not answer in time.
    """

    async def dead_letters(self) -> DeadLetters:
        """How many letters are dead."""
        ...

    async def latency(self, now: datetime) -> Latency:
        """How long it took to store what was stored in the last 5 minutes."""
        ...

    async def connections(self) -> Connections:
        """How many connections there are."""
        ...

    async def partitions(self, today: date) -> Partitions:
        """Which days have a place, and how much lies outside of them."""
        ...
