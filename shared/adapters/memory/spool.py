"""The spool in memory."""

from collections.abc import Sequence

from shared.events.model import Event
from shared.kit.errors import NotFound, Unavailable


class MemorySpool:
    """A Spool over a dictionary. Set `away` to have it behave as one that cannot be reached."""

    def __init__(self) -> None:
        self.objects: dict[str, list[Event]] = {}
        self.unreadable: list[str] = []
        self.away = False

    async def put(self, name: str, events: Sequence[Event], *, within: float) -> None:
        self._require()
        self.objects[name] = list(events)

    async def names(self, limit: int) -> list[str]:
        self._require()
        return sorted(self.objects)[:limit]

    async def get(self, name: str) -> list[Event]:
        self._require()
        if name not in self.objects:
            raise NotFound("There is no such object.")
        return list(self.objects[name])

    async def remove(self, name: str) -> None:
        self._require()
        self.objects.pop(name, None)

    async def set_aside(self, name: str) -> None:
        self._require()
        self.objects.pop(name, None)
        self.unreadable.append(name)

    def _require(self) -> None:
        if self.away:
            raise Unavailable("The spool does not answer.")
