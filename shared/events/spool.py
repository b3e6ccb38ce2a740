"""The spool: where events go, durably and in order, while the log is away."""

from collections.abc import Sequence
from typing import Protocol

from shared.events.model import Event


class Spool(Protocol):
    """Objects, each with the events of one request in their order. Names sort by time."""

    def prepare(self) -> None:
        """Begin whatever a first `put` would have to wait for. Returns at once, never raises."""
        ...

    async def put(self, name: str, events: Sequence[Event], *, within: float) -> None:
        """Keep `events` as one object. Durable when this returns, and in the order given.

        Raises:
            Unavailable: not within `within` seconds. The object may or may not be there.
        """
        ...

    async def names(self, limit: int, *, after: str = "") -> list[str]:
        """The names of the oldest objects beyond `after`, oldest first, at most `limit`, which is 1,000 or less.

        Raises:
            Unavailable: the spool is away.
        """
        ...

    async def get(self, name: str) -> list[Event]:
        """The events of an object, in their order.

        Raises:
            NotFound: there is no such object (any more).
            Malformed: the object is none that `put` wrote.
            Unavailable: the spool is away.
        """
        ...

    async def exchange(self, name: str, before: Sequence[Event], after: Sequence[Event], *, within: float) -> bool:
        """Have an object hold `after`, or be gone where that is nothing, if it holds `before` still; whether it did.

        So nothing comes back that was brought to the log, and removed, in between.

        Raises:
            Unavailable: not within `within` seconds. It may or may not be done.
        """
        ...

    async def remove(self, names: Sequence[str]) -> None:
        """Remove at most 1,000 objects. Repeatable: one that is not there is removed already.

        Raises:
            Unavailable: the spool is away. Some of them may be removed.
        """
        ...

    async def set_aside(self, name: str) -> None:
        """Move an object that cannot be read out of the way of the others, where people can look at it. Repeatable.

        Raises:
            Unavailable: the spool is away.
        """
        ...
