"""Where event types are kept."""

from collections.abc import Mapping
from typing import Protocol

from shared.eventtypes.model import EventType

PAGE = 50
"""Versions that are read at once: with schemas of 64 KiB they stay within the 6 MB of a Lambda's answer."""


class TypeReader(Protocol):
    """What is current."""

    async def current(self, tenant: str) -> dict[str, EventType]:
        """The last version of each of the tenant's types, by its name, at most 1,000 of them.

        Raises:
            Unavailable: nobody answers.
        """
        ...


class TypeStore(TypeReader, Protocol):
    """The versions of all types, each tenant's apart."""

    async def add(self, tenant: str, version: EventType) -> bool:
        """Keep a version. False where the type has one of that number already: somebody was faster.

        Raises:
            Unavailable: the store is away.
        """
        ...

    async def version(self, tenant: str, type_: str, number: int | None = None) -> EventType | None:
        """A version of a type, the last one where no number is given; None where there is none.

        Raises:
            Unavailable: the store is away.
        """
        ...

    async def versions(self, tenant: str, type_: str, *, before: int | None = None) -> list[EventType]:
        """The versions of a type, the newest first, at most `PAGE` of them: the last ones, or those before a number.

        Raises:
            Unavailable: the store is away.
        """
        ...


class Snapshots(Protocol):
    """What is current, in a place that is quicker to read than the store."""

    async def read(self, tenant: str) -> Mapping[str, EventType] | None:
        """What was written last, or None: nothing, or nobody can say. Never raises, bounded by 200 ms."""
        ...

    async def write(self, tenant: str, current: Mapping[str, EventType]) -> None:
        """Replace what is there, unless that knows of more versions. Never raises, bounded by 200 ms."""
        ...
