"""What Admission and Backlog promise, kept in memory and by Redis or Valkey, for two environments at one moment."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from shared.adapters.memory.admission import MemoryAdmission
from shared.adapters.redis.admission import RedisAdmission
from shared.adapters.redis.backlog import RedisBacklog
from shared.adapters.redis.connection import RedisConnection
from shared.events.admission import (
    Admission,
    Admitted,
    Backlog,
    Claimed,
    Entry,
    Fresh,
    Known,
    Quota,
    Settled,
    Throttled,
    Unknown,
)
from shared.events.model import Position
from tests.fixtures.valkey import PATIENCE_SECONDS

PLENTY = Quota(events_per_second=1_000_000, burst=1_000_000)
SMALL = Quota(events_per_second=1, burst=5)
AT = Position(3, 41)
DAY = 86_400


@dataclass(frozen=True)
class Environment:
    """What one environment holds of the place that all share."""

    admission: Admission
    backlog: Backlog


type Environments = Callable[[Quota], tuple[Environment, Environment]]


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.parts)])
async def environments(request: pytest.FixtureRequest) -> AsyncIterator[Environments]:
    """Two environments with one quota a tenant."""
    if request.param == "memory":

        def in_memory(quota: Quota) -> tuple[Environment, Environment]:
            admission = MemoryAdmission(quota)
            return Environment(admission, admission), Environment(admission, admission)

        yield in_memory
        return
    url = request.getfixturevalue("endpoints").redis_url
    async with AsyncExitStack() as stack:

        def over_redis(quota: Quota) -> tuple[Environment, Environment]:
            connections = [
                RedisConnection(url, client_name="contract", bound_seconds=PATIENCE_SECONDS) for _ in range(2)
            ]
            for connection in connections:
                stack.push_async_callback(connection.close)
            one, two = (Environment(RedisAdmission(each, quota), RedisBacklog(each)) for each in connections)
            return one, two

        yield over_redis


@pytest.fixture(params=["memory", "redis"])
async def absent(request: pytest.FixtureRequest) -> AsyncIterator[Environment]:
    """An environment that reaches nothing, with a small quota."""
    if request.param == "memory":
        memory = MemoryAdmission(SMALL)
        memory.away = True
        yield Environment(memory, memory)
        return
    connection = RedisConnection("redis://127.0.0.1:1", client_name="contract")  # a port that nothing listens on
    yield Environment(RedisAdmission(connection, SMALL), RedisBacklog(connection))
    await connection.close()


@pytest.fixture
def tenant() -> str:
    """One that nobody else uses."""
    return f"contract-{uuid4()}"


def entries(count: int, partition_key: str = "key") -> list[Entry]:
    return [Entry(uuid4(), partition_key) for _ in range(count)]


def receipts(asked: Sequence[Entry], window_seconds: int = DAY) -> list[Settled]:
    return [Settled(entry.key, AT, window_seconds) for entry in asked]


def kinds(admitted: Admitted) -> dict[str, int]:
    return dict(Counter(type(verdict).__name__ for verdict in admitted.verdicts))


async def test_what_was_never_seen_is_fresh(environments: Environments, tenant: str) -> None:
    here, _ = environments(PLENTY)
    admitted = await here.admission.admit(tenant, entries(3), claim="a")
    assert admitted.verdicts == [Fresh(), Fresh(), Fresh()]
    assert not admitted.degraded


async def test_the_largest_batch_is_let_in_and_known_afterwards(environments: Environments, tenant: str) -> None:
    here, there = environments(PLENTY)
    asked = entries(1000)
    assert kinds(await here.admission.admit(tenant, asked, claim="a")) == {"Fresh": 1000}
    settled = [Settled(entry.key, Position(at % 12, at), DAY) for at, entry in enumerate(asked)]
    assert await here.admission.settle(tenant, settled, [], claim="a")
    admitted = await there.admission.admit(tenant, asked, claim="b")
    assert admitted.verdicts == [Known(each.position) for each in settled]


async def test_nothing_asked_is_nothing_answered(environments: Environments, tenant: str) -> None:
    here, _ = environments(SMALL)
    admitted = await here.admission.admit(tenant, [], claim="a")
    assert admitted.verdicts == []
    assert admitted.allowance.remaining == SMALL.burst
    assert await here.admission.settle(tenant, [], [], claim="a")


async def test_of_two_environments_at_the_same_moment_one_has_each_event(
    environments: Environments, tenant: str
) -> None:
    here, there = environments(PLENTY)
    for _ in range(20):
        asked = entries(10)
        one, other = await asyncio.gather(
            here.admission.admit(tenant, asked, claim="a"), there.admission.admit(tenant, asked[::-1], claim="b")
        )
        for mine, theirs in zip(one.verdicts, other.verdicts[::-1], strict=True):
            assert sorted([type(mine).__name__, type(theirs).__name__]) == ["Claimed", "Fresh"]


async def test_a_duplicate_has_the_receipt_of_the_original(environments: Environments, tenant: str) -> None:
    here, there = environments(PLENTY)
    known, spooled = entries(2)
    await here.admission.admit(tenant, [known, spooled], claim="a")
    settled = [Settled(known.key, AT, DAY), Settled(spooled.key, None, DAY)]
    assert await here.admission.settle(tenant, settled, [], claim="a")
    admitted = await there.admission.admit(tenant, [spooled, known, *entries(1)], claim="b")
    assert admitted.verdicts == [Known(None), Known(AT), Fresh()]


async def test_a_question_can_be_asked_again_under_its_name(environments: Environments, tenant: str) -> None:
    here, there = environments(SMALL)
    asked = entries(8)
    first = await here.admission.admit(tenant, asked, claim="a")
    again = await here.admission.admit(tenant, asked, claim="a")
    assert kinds(first) == kinds(again) == {"Fresh": 5, "Throttled": 3}
    assert again.allowance.remaining == first.allowance.remaining == 0
    other = await there.admission.admit(tenant, asked[:1], claim="b", counted=False)
    assert other.verdicts == [Claimed()]


async def test_what_is_let_go_of_is_fresh_again(environments: Environments, tenant: str) -> None:
    here, there = environments(PLENTY)
    asked = entries(2)
    await here.admission.admit(tenant, asked, claim="a")
    assert await here.admission.settle(tenant, [], [entry.key for entry in asked], claim="a")
    assert (await there.admission.admit(tenant, asked, claim="b")).verdicts == [Fresh(), Fresh()]


async def test_a_claim_is_settled_by_its_holder_alone(environments: Environments, tenant: str) -> None:
    here, there = environments(PLENTY)
    asked = entries(2)
    await here.admission.admit(tenant, asked, claim="a")
    assert await there.admission.settle(tenant, receipts(asked[:1]), [asked[1].key], claim="b")
    assert (await there.admission.admit(tenant, asked, claim="c")).verdicts == [Claimed(), Claimed()]


async def test_a_receipt_is_neither_replaced_nor_let_go_of(environments: Environments, tenant: str) -> None:
    here, there = environments(PLENTY)
    asked = entries(1)
    await here.admission.admit(tenant, asked, claim="a")
    await here.admission.settle(tenant, receipts(asked), [], claim="a")
    for claim in ("a", "b"):
        other = [Settled(asked[0].key, Position(9, 9), DAY)]
        assert await there.admission.settle(tenant, other, [asked[0].key], claim=claim)
        assert (await there.admission.admit(tenant, asked, claim=claim)).verdicts == [Known(AT)]


async def test_a_receipt_is_kept_when_the_claim_lapsed_and_nobody_took_it(
    environments: Environments, tenant: str
) -> None:
    here, there = environments(PLENTY)
    asked = entries(1)
    assert await here.admission.settle(tenant, receipts(asked), [], claim="a")
    assert (await there.admission.admit(tenant, asked, claim="b")).verdicts == [Known(AT)]


async def test_a_receipt_does_not_outlive_its_window(environments: Environments, tenant: str) -> None:
    here, _ = environments(PLENTY)
    asked = entries(2)
    await here.admission.admit(tenant, asked, claim="a")
    settled = receipts(asked[:1], window_seconds=1) + receipts(asked[1:])
    await here.admission.settle(tenant, settled, [], claim="a")
    assert (await here.admission.admit(tenant, asked, claim="b")).verdicts == [Known(AT), Known(AT)]
    await asyncio.sleep(1.1)
    assert (await here.admission.admit(tenant, asked, claim="c")).verdicts == [Fresh(), Known(AT)]


async def test_tenants_do_not_know_of_one_another(environments: Environments, tenant: str) -> None:
    here, _ = environments(SMALL)
    asked = entries(5)
    other = f"{tenant}-other"
    await here.backlog.enter(tenant, ["key"], spooled="object")
    await here.admission.admit(tenant, asked, claim="a")
    await here.admission.settle(tenant, receipts(asked), [], claim="a")
    assert (await here.admission.admit(other, asked, claim="a")).verdicts == [Fresh()] * 5


async def test_the_quota_is_taken_from_the_front(environments: Environments, tenant: str) -> None:
    here, there = environments(SMALL)
    admitted = await here.admission.admit(tenant, entries(8), claim="a")
    assert admitted.verdicts == [Fresh()] * 5 + [Throttled(1)] * 3
    assert (admitted.allowance.quota, admitted.allowance.remaining) == (SMALL, 0)
    assert admitted.allowance.reset_seconds == 5
    elsewhere = await there.admission.admit(tenant, entries(1), claim="b")
    assert kinds(elsewhere) == {"Throttled": 1}


async def test_what_was_throttled_was_not_claimed(environments: Environments, tenant: str) -> None:
    here, there = environments(SMALL)
    asked = entries(6)
    await here.admission.admit(tenant, asked, claim="a")
    admitted = await there.admission.admit(tenant, asked[5:], claim="b", counted=False)
    assert admitted.verdicts == [Fresh()]


async def test_the_quota_comes_back_at_its_pace(environments: Environments, tenant: str) -> None:
    here, _ = environments(Quota(events_per_second=2, burst=4))
    assert (await here.admission.admit(tenant, entries(4), claim="a")).allowance.reset_seconds == 2
    await asyncio.sleep(1.05)
    admitted = await here.admission.admit(tenant, entries(4), claim="b")
    assert 2 <= kinds(admitted)["Fresh"] <= 3  # a busy machine may sleep for longer
    assert admitted.allowance.remaining == 0


async def test_not_counted_nothing_is_taken_and_what_is_left_is_told(environments: Environments, tenant: str) -> None:
    here, _ = environments(SMALL)
    admitted = await here.admission.admit(tenant, entries(9), claim="a", counted=False)
    assert kinds(admitted) == {"Fresh": 9}
    assert (admitted.allowance.remaining, admitted.allowance.reset_seconds) == (SMALL.burst, 0)


async def test_only_two_environments_together_can_spend_the_quota(environments: Environments, tenant: str) -> None:
    both = environments(Quota(events_per_second=1, burst=30))
    answers = await asyncio.gather(
        *(both[number % 2].admission.admit(tenant, entries(4), claim=str(number)) for number in range(10))
    )
    let_in = sum(kinds(each).get("Fresh", 0) for each in answers)
    assert 30 <= let_in <= 33  # a few seconds may pass


async def test_events_behind_the_spool_are_marked(environments: Environments, tenant: str) -> None:
    here, there = environments(PLENTY)
    assert await here.backlog.enter(tenant, ["spooled", "also"], spooled="object-1")
    admitted = await there.admission.admit(tenant, [*entries(1, "spooled"), *entries(1, "free")], claim="a")
    assert admitted.verdicts == [Fresh(behind=True), Fresh()]


async def test_a_key_keeps_the_mark_of_its_newest_object_and_who_is_late_is_told(
    environments: Environments, tenant: str
) -> None:
    here, there = environments(PLENTY)
    assert await there.backlog.enter(tenant, ["key"], spooled="object-2")
    assert not await here.backlog.enter(tenant, ["key", "other"], spooled="object-1")
    assert await here.backlog.enter(tenant, ["key"], spooled="object-2")
    assert await here.backlog.leave(tenant, ["key", "other"], spooled="object-1")
    asked = [*entries(1, "key"), *entries(1, "other")]
    assert (await here.admission.admit(tenant, asked, claim="a")).verdicts == [Fresh(behind=True), Fresh()]
    assert await here.backlog.leave(tenant, ["key"], spooled="object-2")
    assert (await here.admission.admit(tenant, asked, claim="a")).verdicts == [Fresh(), Fresh()]


async def test_a_key_leaves_the_backlog_with_its_newest_object(environments: Environments, tenant: str) -> None:
    here, there = environments(PLENTY)
    await here.backlog.enter(tenant, ["key", "other"], spooled="object-1")
    await there.backlog.enter(tenant, ["key"], spooled="object-2")
    for _ in range(2):  # repeatable
        assert await there.backlog.leave(tenant, ["key", "other"], spooled="object-1")
    asked = [*entries(1, "key"), *entries(1, "other")]
    assert (await here.admission.admit(tenant, asked, claim="a")).verdicts == [Fresh(behind=True), Fresh()]
    assert await here.backlog.leave(tenant, ["key"], spooled="object-2")
    assert (await here.admission.admit(tenant, asked, claim="a")).verdicts == [Fresh(), Fresh()]


@pytest.mark.parametrize("partition_key", ["", "é\x00\n,", "x" * 70_000, "}{"])
async def test_any_partition_key_can_be_behind(environments: Environments, tenant: str, partition_key: str) -> None:
    here, _ = environments(PLENTY)
    assert await here.backlog.enter(tenant, [partition_key], spooled="object")
    asked = [*entries(1, partition_key), *entries(1, "free")]
    assert (await here.admission.admit(tenant, asked, claim="a")).verdicts == [Fresh(behind=True), Fresh()]


@pytest.mark.parametrize("key", [UUID(int=0), UUID(bytes=b"\r\n" * 8), UUID(bytes=b"}{,:cps\x00" * 2)])
async def test_any_event_key_can_be_known(environments: Environments, tenant: str, key: UUID) -> None:
    here, _ = environments(PLENTY)
    asked = [Entry(key, "key")]
    assert (await here.admission.admit(tenant, asked, claim="a")).verdicts == [Fresh()]
    assert await here.admission.settle(tenant, receipts(asked), [], claim="a")
    assert (await here.admission.admit(tenant, asked, claim="b")).verdicts == [Known(AT)]


async def test_away_each_environment_keeps_the_quota_itself(absent: Environment, tenant: str) -> None:
    admitted = await absent.admission.admit(tenant, entries(7), claim="a")
    assert admitted.verdicts == [Fresh()] * 5 + [Throttled(1)] * 2
    assert admitted.degraded
    assert kinds(await absent.admission.admit(f"{tenant}-other", entries(5), claim="a")) == {"Fresh": 5}
    assert kinds(await absent.admission.admit(tenant, entries(3), claim="b", counted=False)) == {"Fresh": 3}


async def test_away_nothing_is_kept_and_it_is_said(absent: Environment, tenant: str) -> None:
    assert not await absent.admission.settle(tenant, receipts(entries(1)), [uuid4()], claim="a")
    assert not await absent.backlog.enter(tenant, ["key"], spooled="object")
    assert not await absent.backlog.leave(tenant, ["key"], spooled="object")


async def test_who_asks_for_an_event_of_unknown_outcome_is_told_when_it_came_first(
    environments: Environments, tenant: str
) -> None:
    one, two = environments(PLENTY)
    lost, released = entries(2)
    came = datetime(2026, 3, 4, 23, 59, 59, 123_456, tzinfo=UTC)
    await one.admission.admit(tenant, [lost, released], claim="one")
    unknown = [Unknown(lost.key, came)]
    assert await one.admission.settle(tenant, [], [released.key], claim="one", unknown=unknown)
    again = await two.admission.admit(tenant, [released, lost], claim="two")
    assert again.verdicts == [Fresh(), Fresh(received_at=came)]
    assert await two.admission.settle(tenant, [Settled(lost.key, AT, DAY)], [], claim="two")
    assert (await one.admission.admit(tenant, [lost], claim="one")).verdicts == [Known(AT)]


async def test_only_who_holds_the_claim_can_say_when_it_came(environments: Environments, tenant: str) -> None:
    one, two = environments(PLENTY)
    (entry,) = entries(1)
    await one.admission.admit(tenant, [entry], claim="one")
    unknown = [Unknown(entry.key, datetime(2026, 3, 4, tzinfo=UTC))]
    await two.admission.settle(tenant, [], [], claim="two", unknown=unknown)
    assert (await two.admission.admit(tenant, [entry], claim="two")).verdicts == [Claimed()]
