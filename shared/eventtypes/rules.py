"""A tenant's types as ingest applies them: compiled once, and fresh within seconds."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import msgspec

from shared.events.rules import Rule, Ruleset
from shared.eventtypes.model import EventType, Mode
from shared.eventtypes.ports import Snapshots, TypeReader
from shared.eventtypes.validator import Validator
from shared.kit.errors import Fault, Unavailable

FRESH_SECONDS = 5.0
_MAX_TENANTS = 100


class CompiledRule:
    """A Rule from one version of a type."""

    def __init__(self, version: EventType) -> None:
        definition = version.definition
        self.version = version.version
        self.mode: Mode = definition.mode
        self.window_seconds = int(definition.dedup_window)
        self._validator = Validator(msgspec.json.decode(definition.schema))
        self._steps = None if definition.key_path is None else _steps(definition.key_path)

    def faults(self, data: bytes | None, at: str) -> list[Fault]:
        return self._validator.faults(data, at)

    def partition_key(self, data: bytes | None) -> str | None:
        if self._steps is None or data is None:
            return None
        value: Any = msgspec.json.decode(data)
        for step in self._steps:
            if isinstance(value, dict):
                value = value.get(step)
            elif isinstance(value, list) and step.isascii() and step.isdigit() and int(step[:9]) < len(value):
                value = value[int(step[:9])]
            else:
                return None
        if isinstance(value, str):
            return value[:1024] or None
        return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


class CachedRules:
    """Rules from the snapshot, and from the store where there is none.

    What is older than 5 s is asked for again. While nobody answers, what was known last is used.
    """

    def __init__(self, snapshots: Snapshots, store: TypeReader) -> None:
        self._snapshots = snapshots
        self._store = store
        self._known: OrderedDict[str, tuple[float, Ruleset]] = OrderedDict()
        self._asking = asyncio.Lock()

    async def of(self, tenant: str) -> Ruleset:
        found = self._fresh(tenant)
        if found is not None:
            return found
        async with self._asking:
            found = self._fresh(tenant)
            return found if found is not None else await self._renewed(tenant)

    def _fresh(self, tenant: str) -> Ruleset | None:
        until, ruleset = self._known.get(tenant, (0.0, None))
        return ruleset if time.monotonic() < until else None

    async def _renewed(self, tenant: str) -> Ruleset:
        _, known = self._known.get(tenant, (0.0, Ruleset({}, known=False)))
        current = await self._snapshots.read(tenant)
        if current is None:
            try:
                current = await self._store.current(tenant)
                await self._snapshots.write(tenant, current)
            except Unavailable:
                current = None
        ruleset = known if current is None else Ruleset(_compiled(current, known.rules))
        self._known[tenant] = (time.monotonic() + FRESH_SECONDS, ruleset)
        self._known.move_to_end(tenant)
        if len(self._known) > _MAX_TENANTS:
            self._known.popitem(last=False)
        return ruleset


def _compiled(current: Mapping[str, EventType], known: Mapping[str, Rule]) -> dict[str, Rule]:
    rules: dict[str, Rule] = {}
    for name, version in current.items():
        before = known.get(name)
        same = isinstance(before, CompiledRule) and before.version == version.version
        rules[name] = before if before is not None and same else CompiledRule(version)
    return rules


def _steps(pointer: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
