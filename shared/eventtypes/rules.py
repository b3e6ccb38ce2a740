"""A tenant's types as ingest applies them: compiled once, and fresh within seconds."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from shared.events.faults import UNREADABLE
from shared.events.rules import Rule, Ruleset
from shared.eventtypes.model import EventType, Mode
from shared.eventtypes.ports import Snapshots, TypeReader
from shared.eventtypes.validator import Validator
from shared.kit.errors import Fault, Unavailable
from shared.kit.idle import Idle
from shared.kit.pointer import tokens

_LOG = logging.getLogger(__name__)

FRESH_SECONDS = 5.0
UNKNOWN_SECONDS = 1.0
MAX_TENANTS = 100
_COLD_SECONDS = 3.0  # where nothing is known yet, and the driver may have to be imported first
_STORE_SECONDS = 1.0  # a request waits for it; the store alone would take five to give up
_MAX_KEY = 1024


class CompiledRule:
    """A Rule from one version of a type. It is compiled when it is first needed: most of a tenant's types are not."""

    def __init__(self, version: EventType) -> None:
        definition = version.definition
        self.version = version.version
        self.mode: Mode = definition.mode
        self.window_seconds = definition.dedup_window
        self._name = version.type
        self._schema = bytes(definition.schema)  # a copy: the original would keep the whole snapshot alive
        self._steps = None if definition.key_path is None else tokens(definition.key_path)
        self._validator: Validator | None = None

    def faults(self, data: bytes | None, at: str) -> list[Fault]:
        if self._validator is None:
            self._validator = self._compiled()
        return self._validator.faults(data, at)

    def partition_key(self, data: bytes | None) -> str | None:
        if self._steps is None or data is None:
            return None
        try:
            value = _found(msgspec.json.decode(data), self._steps)
        except UNREADABLE:
            return None
        if isinstance(value, str):
            return value[:_MAX_KEY] or None
        return str(value)[:_MAX_KEY] if isinstance(value, int | float) and not isinstance(value, bool) else None

    def _compiled(self) -> Validator:
        try:
            return Validator(msgspec.json.decode(self._schema))
        except ValueError:
            # It was compiled when it was defined, by another version of the code. The tenant's events are not to blame.
            _LOG.error("type.uncompilable", extra={"type": self._name, "version": self.version})
            return Validator(True)


class CachedRules:
    """Rules from the snapshot, and from the store where there is none.

    What is older than 5 s, by whichever clock says more, is asked for again. While nobody answers, what was known last
    is used, and it is asked again after another 5 s.
    """

    def __init__(self, snapshots: Snapshots, store: TypeReader, *, idle: Callable[[float], Idle] = Idle) -> None:
        self._snapshots = snapshots
        self._store = store
        self._idle = idle
        self._known: OrderedDict[str, tuple[Idle, Ruleset]] = OrderedDict()
        self._asking = asyncio.Lock()

    async def of(self, tenant: str) -> Ruleset:
        found = self._fresh(tenant)
        if found is not None:
            return found
        async with self._asking:
            found = self._fresh(tenant)
            return found if found is not None else await self._renewed(tenant)

    def _fresh(self, tenant: str) -> Ruleset | None:
        age, ruleset = self._known.get(tenant, (None, None))
        return None if age is None or age.over() else ruleset

    async def _renewed(self, tenant: str) -> Ruleset:
        _, known = self._known.get(tenant, (None, Ruleset({}, known=False)))
        current = await self._current(tenant, _STORE_SECONDS if known.known else _COLD_SECONDS)
        ruleset = known if current is None else Ruleset(_compiled(current, known.rules))
        # What was never known is asked for again soon: until then events are accepted that should be refused.
        self._known[tenant] = (self._idle(FRESH_SECONDS if ruleset.known else UNKNOWN_SECONDS), ruleset)
        self._known.move_to_end(tenant)
        if len(self._known) > MAX_TENANTS:
            self._known.popitem(last=False)
        return ruleset

    async def _current(self, tenant: str, seconds: float) -> Mapping[str, EventType] | None:
        current = await self._snapshots.read(tenant)
        if current is not None:
            return current
        try:
            async with asyncio.timeout(seconds):
                current = await self._store.current(tenant)
        except (Unavailable, TimeoutError):
            return None
        await self._snapshots.write(tenant, current)
        return current


def _compiled(current: Mapping[str, EventType], known: Mapping[str, Rule]) -> dict[str, Rule]:
    rules: dict[str, Rule] = {}
    for name, version in current.items():
        before = known.get(name)
        same = isinstance(before, CompiledRule) and before.version == version.version
        rules[name] = before if before is not None and same else CompiledRule(version)
    return rules


def _found(value: Any, steps: list[str]) -> Any:
    for step in steps:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isascii() and step.isdigit() and int(step[:9]) < len(value):
            value = value[int(step[:9])]
        else:
            return None
    return value
