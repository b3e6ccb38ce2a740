"""Defining event types: a change is a new version, and keeps what the one before it promised."""

from collections.abc import Container
from typing import Any, Literal

import msgspec

from shared.eventtypes.compatibility import MAX_BREAKS, breaks, same
from shared.eventtypes.model import Compatibility, Definition, EventType
from shared.eventtypes.ports import PAGE, Snapshots, TypeStore
from shared.kit.clock import Clock
from shared.kit.errors import Changed, Conflict, Fault, NotFound, Unavailable
from shared.kit.pointer import below, tokens

MAX_TYPES = 500
MAX_SCHEMAS_BYTES = 1024 * 1024
"""Of a tenant's current types. Every environment of ingest reads all of them, every few seconds."""

_SETTINGS = [name for name in Definition.__struct_fields__ if name != "schema"]
_FORWARD = "The version before would not take all that this one takes."


class Incompatible(Conflict):
    """The new version breaks what the one before it promised; the faults say where."""

    code = "incompatible"


class Raced(Conflict):
    """Another version was made at the same moment."""

    code = "raced"


class Full(Conflict):
    """The tenant has as many types, or as large ones, as it may have."""

    code = "limit_reached"


class Broken(msgspec.Struct, frozen=True):
    """A promise that a new version breaks: where in its schema, by which keyword, in words."""

    promise: Literal["backward", "forward"]
    pointer: str
    code: str
    detail: str


class Checked(msgspec.Struct, frozen=True):
    """What a new version would break of version `against`; None where it would be the first."""

    compatible: bool
    compatibility: Compatibility
    against: int | None
    breaks: list[Broken]


class Registry:
    """The types of all tenants."""

    def __init__(self, store: TypeStore, snapshots: Snapshots, clock: Clock) -> None:
        self._store = store
        self._snapshots = snapshots
        self._clock = clock

    async def put(
        self, tenant: str, principal: str, type_: str, definition: Definition, *, expected: Container[int] | None = None
    ) -> tuple[EventType, bool]:
        """Make a version of `definition`, and say whether it is new: what is already current is not made again.

        With `expected` a new version is made only if the last one's number is among these; 0 stands for no version.

        Raises:
            Incompatible: it breaks what the current version promised.
            Changed: the last version is another one than was expected.
            Raced: another version was made at the same moment. Ask again.
            Full: the tenant's types reach a limit.
            Unavailable: the store is away.
        """
        last = await self._store.version(tenant, type_)
        if last is not None and _same(last.definition, definition):
            await self._publish(tenant)  # it may be asked for again because that failed
            return last, False
        number = 0 if last is None else last.version
        if expected is not None and number not in expected:
            raise Changed("The type's last version is not the one that the request expects.")
        if last is not None:
            _require_compatible(last.definition, definition)
        await self._require_room(tenant, type_, definition)
        made = EventType(
            type=type_, version=number + 1, definition=definition, created_at=self._clock.now(), created_by=principal
        )
        if not await self._store.add(tenant, made):
            winner = await self._store.version(tenant, type_)
            if winner is None or not _same(winner.definition, definition):
                raise Raced("Another version of the type was made at this moment. Ask for it, and send again.")
            return winner, False
        await self._publish(tenant)
        return made, True

    async def get(self, tenant: str, type_: str, number: int | None = None) -> EventType:
        """A version of a type, the last one where no number is given.

        Raises:
            NotFound: the tenant has no such type, or the type no such version.
            Unavailable: the store is away.
        """
        version = await self._store.version(tenant, type_, number)
        if version is None:
            raise NotFound("There is no event type of this name, or no such version of it.")
        return version

    async def versions(
        self, tenant: str, type_: str, *, before: int | None = None
    ) -> tuple[list[EventType], int | None]:
        """A page of the versions of a type, the newest first, and what the next page is before, if there is one.

        Raises:
            NotFound: the tenant has no such type.
            Unavailable: the store is away.
        """
        found = await self._store.versions(tenant, type_, before=before)
        if not found:
            await self.get(tenant, type_)
        last = found[-1].version if len(found) == PAGE else 1
        return found, last if last > 1 else None

    async def all(self, tenant: str) -> list[EventType]:
        """The last version of each type, by name.

        Raises:
            Unavailable: the store is away.
        """
        current = await self._store.current(tenant)
        return [current[name] for name in sorted(current)]

    async def check(self, tenant: str, type_: str, definition: Definition) -> Checked:
        """What `definition` would break as the next version of the type, by the type's own compatibility.

        Raises:
            Unavailable: the store is away.
        """
        last = await self._store.version(tenant, type_)
        if last is None:
            return Checked(compatible=True, compatibility=definition.compatibility, against=None, breaks=[])
        found = compared(last.definition, definition)
        mode = last.definition.compatibility
        return Checked(compatible=not found, compatibility=mode, against=last.version, breaks=found)

    async def _require_room(self, tenant: str, type_: str, definition: Definition) -> None:
        current = await self._store.current(tenant)
        others = [version for name, version in current.items() if name != type_]
        size = sum(len(bytes(version.definition.schema)) for version in others) + len(bytes(definition.schema))
        if len(others) >= MAX_TYPES or size > MAX_SCHEMAS_BYTES:
            raise Full(f"Keep to {MAX_TYPES} types, and their current schemas within {MAX_SCHEMAS_BYTES} bytes.")

    async def _publish(self, tenant: str) -> None:
        try:
            await self._snapshots.write(tenant, await self._store.current(tenant))
        except Unavailable:
            return  # the version is there, and is seen when the snapshot lapses


def compared(old: Definition, new: Definition) -> list[Broken]:
    """What `new` breaks of what `old` promised. Pointers lead into the schema of `new`."""
    before, after = _schema(old), _schema(new)
    found: list[Broken] = []
    if old.compatibility in ("backward", "full"):
        found += [Broken("backward", each.pointer, each.code, each.detail) for each in breaks(before, after)]
    if old.compatibility in ("forward", "full"):
        found += [
            Broken("forward", _nearest(after, each.pointer), each.code, _FORWARD) for each in breaks(after, before)
        ]
    return found[:MAX_BREAKS]


def _require_compatible(old: Definition, new: Definition) -> None:
    found = compared(old, new)
    if found:
        faults = tuple(Fault(f"/schema{each.pointer}", each.code, each.detail) for each in found)
        raise Incompatible(f"The new version breaks the type's compatibility ({old.compatibility}).", faults=faults)


def _nearest(schema: Any, pointer: str) -> str:
    """The pointer as far as it leads in `schema`: what the other version says further down is not there."""
    way = ""
    for name in tokens(pointer):
        if isinstance(schema, list) and name.isdigit() and int(name) < len(schema):
            schema = schema[int(name)]
        elif isinstance(schema, dict) and name in schema:
            schema = schema[name]
        else:
            break
        way = below(way, name)
    return way


def _schema(definition: Definition) -> Any:
    return msgspec.json.decode(definition.schema)


def _same(one: Definition, other: Definition) -> bool:
    """Whether they say the same: white space and the order of members do not count."""
    settings = all(getattr(one, name) == getattr(other, name) for name in _SETTINGS)
    return settings and same(_schema(one), _schema(other))
