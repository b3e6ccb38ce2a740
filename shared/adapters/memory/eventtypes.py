"""Event types in memory."""

from collections.abc import Mapping

from shared.eventtypes.model import EventType
from shared.eventtypes.ports import PAGE
from shared.kit.errors import Unavailable


class MemoryTypeStore:
    """A TypeStore over a dictionary. Set `away` to have it behave as one that cannot be reached."""

    def __init__(self) -> None:
        self._versions: dict[tuple[str, str], list[EventType]] = {}
        self.away = False
        self.asked = 0

    async def add(self, tenant: str, version: EventType) -> bool:
        self._require()
        versions = self._versions.setdefault((tenant, version.type), [])
        if any(each.version == version.version for each in versions):
            return False
        versions.append(version)
        return True

    async def version(self, tenant: str, type_: str, number: int | None = None) -> EventType | None:
        self._require()
        versions = self._versions.get((tenant, type_), [])
        return next((each for each in reversed(versions) if number in (None, each.version)), None)

    async def versions(self, tenant: str, type_: str, *, before: int | None = None) -> list[EventType]:
        self._require()
        versions = reversed(self._versions.get((tenant, type_), []))
        return [each for each in versions if before is None or each.version < before][:PAGE]

    async def current(self, tenant: str) -> dict[str, EventType]:
        self._require()
        return {name: versions[-1] for (owner, name), versions in self._versions.items() if owner == tenant}

    def _require(self) -> None:
        self.asked += 1
        if self.away:
            raise Unavailable("The database does not answer.")


class MemorySnapshots:
    """Snapshots over a dictionary. Set `away` to have it behave as one that cannot be reached."""

    def __init__(self) -> None:
        self._held: dict[str, Mapping[str, EventType]] = {}
        self.away = False

    async def read(self, tenant: str) -> Mapping[str, EventType] | None:
        return None if self.away else self._held.get(tenant)

    async def write(self, tenant: str, current: Mapping[str, EventType]) -> None:
        if not self.away and _total(current) >= _total(self._held.get(tenant, {})):
            self._held[tenant] = dict(current)


def _total(current: Mapping[str, EventType]) -> int:
    return sum(version.version for version in current.values())
