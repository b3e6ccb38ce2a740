"""Defining event types: a change is a new version, and keeps what the one before it promised."""

from collections.abc import Sequence
from typing import Any

import msgspec

from shared.events.draft import Name
from shared.events.faults import UNREADABLE, fault_of
from shared.eventtypes.compatibility import Break, breaks
from shared.eventtypes.model import Compatibility, Definition, EventType
from shared.eventtypes.ports import Snapshots, TypeStore
from shared.eventtypes.schema import schema_faults
from shared.kit.clock import Clock
from shared.kit.errors import Conflict, Fault, Malformed, NotFound, Unprocessable

_DECODER = msgspec.json.Decoder(Definition)


class Incompatible(Conflict):
    """The new version breaks what the one before it promised; the faults say where."""

    code = "incompatible"


class Changed(Conflict):
    """Somebody else has just made a version."""

    code = "changed"


def read_definition(body: bytes) -> Definition:
    """A definition as its sender wrote it.

    Raises:
        Malformed: not JSON in UTF-8.
        Unprocessable: JSON that is no definition, or whose schema is none that is taken here.
    """
    try:
        body.decode()
        definition = _DECODER.decode(body)
    except UnicodeDecodeError:
        raise Malformed("The body is not UTF-8.", faults=(Fault("", "utf8", "Send UTF-8."),)) from None
    except UNREADABLE as error:
        fault = fault_of(error, "")
        kind = Malformed if fault.code == "json" else Unprocessable
        raise kind("The definition cannot be read.", faults=(fault,)) from None
    faults = schema_faults(bytes(definition.schema), "/schema")
    if faults:
        raise Unprocessable("The schema cannot be taken.", faults=tuple(faults))
    return definition


def require_name(type_: str) -> str:
    """The name of a type, if it can be defined: a path leads to it, so it has no slash.

    Raises:
        Unprocessable: it cannot.
    """
    try:
        if "/" not in type_:
            return msgspec.convert(type_, Name)
    except msgspec.ValidationError:
        pass
    fault = Fault("/type", "type", "Name a type with 1 to 255 characters, without slashes and control characters.")
    raise Unprocessable("A type of this name cannot be defined.", faults=(fault,))


class Registry:
    """The types of all tenants."""

    def __init__(self, store: TypeStore, snapshots: Snapshots, clock: Clock) -> None:
        self._store = store
        self._snapshots = snapshots
        self._clock = clock

    async def put(self, tenant: str, principal: str, type_: str, definition: Definition) -> tuple[EventType, bool]:
        """Make a version of `definition`, and say whether it is new: what is already current is not made again.

        Raises:
            Incompatible: it breaks what the current version promised.
            Changed: another version was made at the same moment. Ask again.
            Unavailable: the store is away.
        """
        versions = await self._store.versions(tenant, type_)
        last = versions[-1] if versions else None
        if last is not None and _same(last.definition, definition):
            return last, False
        if last is not None:
            found = self.compared(last.definition, definition)
            if found:
                faults = tuple(Fault(f"/schema{each.pointer}", each.code, each.detail) for each in found)
                detail = f"The new version breaks the type's compatibility ({last.definition.compatibility})."
                raise Incompatible(detail, faults=faults)
        number = 1 if last is None else last.version + 1
        made = EventType(
            type=type_, version=number, definition=definition, created_at=self._clock.now(), created_by=principal
        )
        if not await self._store.add(tenant, made):
            raise Changed("Another version of the type was made at this moment. Ask for it, and send again.")
        await self._snapshots.write(tenant, await self._store.current(tenant))
        return made, True

    async def get(self, tenant: str, type_: str, number: int | None = None) -> EventType:
        """A version of a type, the last one where no number is given.

        Raises:
            NotFound: the tenant has no such type, or the type no such version.
            Unavailable: the store is away.
        """
        versions = await self.versions(tenant, type_)
        found = [version for version in versions if number in (None, version.version)]
        if not found:
            raise NotFound("The type has no version of this number.")
        return found[-1]

    async def versions(self, tenant: str, type_: str) -> list[EventType]:
        """All versions of a type, oldest first.

        Raises:
            NotFound: the tenant has no such type.
            Unavailable: the store is away.
        """
        versions = await self._store.versions(tenant, type_)
        if not versions:
            raise NotFound("There is no event type of this name.")
        return versions

    async def all(self, tenant: str) -> list[EventType]:
        """The last version of each type, by name.

        Raises:
            Unavailable: the store is away.
        """
        current = await self._store.current(tenant)
        return [current[name] for name in sorted(current)]

    async def check(self, tenant: str, type_: str, definition: Definition) -> tuple[Compatibility, list[Break]]:
        """What `definition` would break as the next version of the type, by the type's own compatibility.

        Raises:
            NotFound: the tenant has no such type.
            Unavailable: the store is away.
        """
        last = await self.get(tenant, type_)
        return last.definition.compatibility, self.compared(last.definition, definition)

    @staticmethod
    def compared(old: Definition, new: Definition) -> list[Break]:
        """What `new` breaks of what `old` promised."""
        mode = old.compatibility
        before, after = _schema(old), _schema(new)
        found: list[Break] = []
        if mode in ("backward", "full"):
            found += breaks(before, after)
        if mode in ("forward", "full"):
            found += breaks(after, before)
        return found


def _schema(definition: Definition) -> Any:
    return msgspec.json.decode(definition.schema)


def _same(one: Definition, other: Definition) -> bool:
    """Whether they say the same: white space and the order of members do not count."""
    fields: Sequence[str] = [name for name in Definition.__struct_fields__ if name != "schema"]
    return all(getattr(one, name) == getattr(other, name) for name in fields) and _schema(one) == _schema(other)
