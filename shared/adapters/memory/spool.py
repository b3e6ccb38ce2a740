"""The spool in memory."""

from collections.abc import Sequence

from shared.events.model import Event
from shared.kit.errors import Malformed, NotFound, Unavailable


class MemorySpool:
    """A Spool over a dictionary. Set `away` to have it behave as one that cannot be reached.

    Set `unsure` besides to have it behave as one that keeps an object and then says nothing. What stands in
    `unreadable` cannot be read, and is there to be looked at once it was set aside.
    """

    def __init__(self) -> None:
        self.objects: dict[str, list[Event]] = {}
        self.unreadable: list[str] = []
        self.away = False
        self.unsure = False
        self.prepared = False

    def prepare(self) -> None:
        self.prepared = True

    async def put(self, name: str, events: Sequence[Event], *, within: float) -> None:
        if not self.away or self.unsure:
            self.objects[name] = list(events)
        self._require()

    async def names(self, limit: int, *, after: str = "") -> list[str]:
        self._require()
        return sorted(name for name in self.objects if name > after)[:limit]

    async def get(self, name: str) -> list[Event]:
        self._require()
        if name not in self.objects:
            raise NotFound("There is no such object.")
        if name in self.unreadable:
            raise Malformed("The object is none of ours.")
        return list(self.objects[name])

    async def exchange(self, name: str, before: Sequence[Event], after: Sequence[Event], *, within: float) -> bool:
        self._require()
        if self.objects.get(name) != list(before):
            return False
        if after:
            self.objects[name] = list(after)
        else:
            del self.objects[name]
        return True

    async def remove(self, names: Sequence[str]) -> None:
        self._require()
        for name in names:
            self.objects.pop(name, None)

    async def set_aside(self, name: str) -> None:
        self._require()
        self.objects.pop(name, None)

    def _require(self) -> None:
        if self.away:
            raise Unavailable("The spool does not answer.")
