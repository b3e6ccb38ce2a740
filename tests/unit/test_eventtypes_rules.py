"""A tenant's rules: fresh within five seconds, and the last known ones while nobody answers."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from shared.adapters.memory.eventtypes import MemorySnapshots, MemoryTypeStore
from shared.events.rules import Rule
from shared.eventtypes import rules as module
from shared.eventtypes.model import EventType
from shared.eventtypes.rules import FRESH_SECONDS, MAX_TENANTS, UNKNOWN_SECONDS, CachedRules, CompiledRule
from shared.kit.idle import Idle
from tests.fixtures.types import a_version

TENANT = "tests"
TYPE = "order.placed"


class _Counting(MemorySnapshots):
    """Says how often it was read. Set `silent` to have it hold nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.silent = False

    async def read(self, tenant: str) -> Mapping[str, EventType] | None:
        self.reads += 1
        await asyncio.sleep(0)  # as a real one: others run meanwhile
        return None if self.silent else await super().read(tenant)


class Room:
    """Cached rules over memory, and clocks that stand still."""

    def __init__(self) -> None:
        self.store = MemoryTypeStore()
        self.snapshots = _Counting()
        self.wall = self.monotonic = 1000.0
        self.rules = CachedRules(self.snapshots, self.store, idle=self._idle)

    def _idle(self, seconds: float) -> Idle:
        return Idle(seconds, wall=lambda: self.wall, monotonic=lambda: self.monotonic)

    def pass_(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds

    async def publish(self, *versions: EventType) -> None:
        """Put as the registry does: into the store, then into the snapshot."""
        for version in versions:
            assert await self.store.add(TENANT, version)
        await self.snapshots.write(TENANT, await self.store.current(TENANT))

    async def rule(self) -> Rule | None:
        return (await self.rules.of(TENANT)).rules.get(TYPE)

    def leave(self) -> None:
        self.store.away = self.snapshots.away = True


@pytest.fixture
def room() -> Room:
    return Room()


async def test_a_tenant_without_types_has_no_rules_and_that_is_known(room: Room) -> None:
    ruleset = await room.rules.of(TENANT)
    assert (dict(ruleset.rules), ruleset.known) == ({}, True)


async def test_a_rule_is_what_its_type_says(room: Room) -> None:
    await room.publish(a_version(schema={"type": "object"}, mode="warn", dedup_window=60, key_path="/a"))
    rule = await room.rule()
    assert rule is not None
    assert (rule.mode, rule.window_seconds, rule.partition_key(b'{"a":"k"}')) == ("warn", 60, "k")
    assert [fault.pointer for fault in rule.faults(b"[]", "/data")] == ["/data"]


async def test_what_is_fresh_is_not_asked_for_again(room: Room) -> None:
    await room.rules.of(TENANT)
    room.pass_(FRESH_SECONDS)
    await room.rules.of(TENANT)
    assert (room.snapshots.reads, room.store.asked) == (1, 1)


async def test_a_change_is_seen_within_the_bound(room: Room) -> None:
    await room.publish(a_version())
    assert await room.rule() is not None
    await room.publish(a_version(version=2, mode="off"))
    room.pass_(FRESH_SECONDS + 0.001)
    rule = await room.rule()
    assert rule is not None
    assert rule.mode == "off"


@pytest.mark.parametrize("clock", ["wall", "monotonic"])
async def test_either_clock_makes_rules_old(room: Room, clock: str) -> None:
    # While an environment is frozen its monotonic clock may stand still.
    await room.rules.of(TENANT)
    setattr(room, clock, getattr(room, clock) + FRESH_SECONDS + 1)
    await room.rules.of(TENANT)
    assert room.snapshots.reads == 2


async def test_where_there_is_no_snapshot_the_store_is_asked_and_one_is_written(room: Room) -> None:
    await room.store.add(TENANT, a_version())
    assert await room.rule() is not None
    assert await room.snapshots.read(TENANT) == await room.store.current(TENANT)


async def test_where_redis_is_away_the_store_is_asked(room: Room) -> None:
    await room.publish(a_version())
    room.snapshots.away = True
    assert await room.rule() is not None


async def test_while_nobody_answers_the_last_known_rules_hold(room: Room) -> None:
    await room.publish(a_version())
    before = await room.rule()
    room.leave()
    for _ in range(3):
        room.pass_(FRESH_SECONDS + 1)
        ruleset = await room.rules.of(TENANT)
        assert ruleset.rules[TYPE] is before
        assert ruleset.known


async def test_what_was_never_known_is_told_and_asked_again(room: Room) -> None:
    await room.publish(a_version())
    room.leave()
    ruleset = await room.rules.of(TENANT)
    assert (dict(ruleset.rules), ruleset.known) == ({}, False)
    room.store.away = room.snapshots.away = False
    assert not (await room.rules.of(TENANT)).known
    room.pass_(UNKNOWN_SECONDS + 0.1)
    assert (await room.rules.of(TENANT)).known


async def test_an_absent_registry_is_asked_once_for_many_requests(room: Room) -> None:
    room.leave()
    for _ in range(10):
        await room.rules.of(TENANT)
    assert (room.snapshots.reads, room.store.asked) == (1, 1)


async def test_a_store_that_is_silent_does_not_hold_the_request_up(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_COLD_SECONDS", 0.01)  # a second of waiting tells nothing more

    class Silent(MemoryTypeStore):
        async def current(self, tenant: str) -> dict[str, EventType]:
            await asyncio.sleep(60)
            return {}

    rules = CachedRules(room.snapshots, Silent())
    assert not (await asyncio.wait_for(rules.of(TENANT), 5)).known


async def test_those_who_ask_at_once_are_answered_by_one_question(room: Room) -> None:
    found = await asyncio.gather(*(room.rules.of(TENANT) for _ in range(20)))
    assert all(each is found[0] for each in found)
    assert (room.snapshots.reads, room.store.asked) == (1, 1)


async def test_a_rule_is_kept_while_its_version_stays(room: Room) -> None:
    await room.publish(a_version(), a_version("order.sent"))
    before = dict((await room.rules.of(TENANT)).rules)
    await room.publish(a_version("order.sent", version=2, mode="off"))
    room.pass_(FRESH_SECONDS + 1)
    after = (await room.rules.of(TENANT)).rules
    assert after[TYPE] is before[TYPE]
    assert after["order.sent"] is not before["order.sent"]


async def test_a_tenant_never_sees_the_rules_of_another(room: Room) -> None:
    await room.publish(a_version())
    assert dict((await room.rules.of("other")).rules) == {}


async def test_the_tenants_kept_are_bounded_and_the_one_asked_longest_ago_goes(room: Room) -> None:
    for number in range(MAX_TENANTS + 1):
        await room.rules.of(f"t{number}")
    reads = room.snapshots.reads
    await room.rules.of(f"t{MAX_TENANTS}")
    await room.rules.of("t1")
    assert room.snapshots.reads == reads
    await room.rules.of("t0")
    assert room.snapshots.reads == reads + 1


KEYS: list[tuple[str | None, Any, str | None]] = [
    (None, {"a": "k"}, None),
    ("/a", {"a": "k"}, "k"),
    ("/a", {"a": 5}, "5"),
    ("/a", {"a": 2.5}, "2.5"),
    ("/a", {"a": 2**70}, str(2**70)),
    ("/a", {"a": True}, None),
    ("/a", {"a": None}, None),
    ("/a", {"a": ""}, None),
    ("/a", {"a": ["k"]}, None),
    ("/a", {}, None),
    ("/a", [], None),
    ("/a", "text", None),
    ("/a/b", {"a": {"b": "k"}}, "k"),
    ("/a/1", {"a": ["x", "k"]}, "k"),
    ("/a/2", {"a": ["x", "k"]}, None),
    ("/a/-", {"a": ["x"]}, None),
    ("/a/²", {"a": ["x"]}, None),
    ("/a~1b", {"a/b": "k"}, "k"),
    ("/a~0b", {"a~b": "k"}, "k"),
    ("/", {"": "k"}, "k"),
    ("/a", {"a": "x" * 2000}, "x" * 1024),
]


@pytest.mark.parametrize(("path", "data", "expected"), KEYS)
def test_the_key_is_what_the_path_leads_to(path: str | None, data: Any, expected: str | None) -> None:
    rule = CompiledRule(a_version(key_path=path))
    assert rule.partition_key(json.dumps(data).encode()) == expected


def test_without_data_there_is_no_key() -> None:
    assert CompiledRule(a_version(key_path="/a")).partition_key(None) is None
    assert CompiledRule(a_version(key_path="/a")).partition_key(b"{") is None


def test_a_schema_that_does_not_compile_any_more_rejects_nothing_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    rule = CompiledRule(a_version(schema={"type": "strin"}))
    assert rule.faults(b"1", "/data") == []
    assert rule.faults(b"1", "/data") == []
    (entry,) = caplog.records
    told = (entry.message, entry.__dict__["type"], entry.__dict__["version"])
    assert told == ("type.uncompilable", "order.placed", 1)
