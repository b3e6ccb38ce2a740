"""Admission, backlog, waiters and answers over servers of their own: what they say, keep and survive."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis

from millrace_harness.parts.probes import ask
from shared.adapters.redis.admission import RedisAdmission
from shared.adapters.redis.answers import RedisAnswers
from shared.adapters.redis.backlog import RedisBacklog
from shared.adapters.redis.connection import BOUND_SECONDS, RedisConnection
from shared.adapters.redis.waiters import RedisWaiters, blocking_connection
from shared.events.admission import Entry, Fresh, Known, Quota, Settled, Throttled
from shared.events.model import Position
from shared.idempotency.ports import Answer, Begun, InFlight
from shared.kit.deadline import Deadline
from shared.kit.idle import Idle
from tests.fixtures.valkey import PATIENCE_SECONDS, Line, OwnValkey, line, own_valkey

PLENTY = Quota(events_per_second=1_000_000, burst=1_000_000)
SMALL = Quota(events_per_second=1, burst=5)
DAY = 86_400
THIS = hashlib.sha256(b"this").digest()

pytestmark = pytest.mark.parts


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnValkey]:
    """A server that may be restarted."""
    with own_valkey(tmp_path_factory.mktemp("valkey")) as valkey:
        yield valkey


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnValkey]:
    """A server that refuses, as each of a cluster does, what would need two of its slots at once."""
    with own_valkey(tmp_path_factory.mktemp("cluster"), "--cluster-enabled", "yes") as valkey:
        port = valkey.ledger.port(valkey.name)
        assert ask(port, b"CLUSTER ADDSLOTSRANGE 0 16383\r\n", 3) == b"+OK"
        until = Deadline(10)
        while ask(port, b"GET key\r\n", 3) != b"$-1":
            assert until.left(), "the cluster has not come up"
            time.sleep(0.05)
        yield valkey


@pytest.fixture
async def wire(valkey: OwnValkey) -> AsyncIterator[Line]:
    """A line to the server."""
    async with line(valkey.address) as wire:
        yield wire


@pytest.fixture
async def connection(wire: Line) -> AsyncIterator[RedisConnection]:
    """One environment's connection over the line."""
    connection = RedisConnection(f"redis://{wire.address}", client_name="integration", bound_seconds=PATIENCE_SECONDS)
    yield connection
    await connection.close()


@pytest.fixture
async def server(valkey: OwnValkey) -> AsyncIterator[Redis]:
    """The server itself, to look at."""
    server = Redis.from_url(f"redis://{valkey.address}")
    yield server
    await server.aclose()


@dataclass
class Clock:
    """One that is set."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def tenant() -> str:
    """One that nobody else uses."""
    return f"integration-{uuid4()}"


def entries(count: int) -> list[Entry]:
    return [Entry(uuid4(), f"key-{number}") for number in range(count)]


def receipts(asked: list[Entry]) -> list[Settled]:
    return [Settled(entry.key, Position(3, at), DAY) for at, entry in enumerate(asked)]


async def warmed(connection: RedisConnection, tenant: str) -> RedisAdmission:
    """An admission whose server knows its scripts, and whose connection is open."""
    admission = RedisAdmission(connection, PLENTY)
    await admission.admit(f"{tenant}-warm", entries(1), claim="warm")
    await admission.settle(f"{tenant}-warm", receipts(entries(1)), [], claim="warm")
    return admission


async def test_a_whole_batch_is_one_round_trip_each_way(connection: RedisConnection, wire: Line, tenant: str) -> None:
    admission = await warmed(connection, tenant)
    asked = entries(1000)
    wire.requests.clear()
    await admission.admit(tenant, asked, claim="a")
    assert b"".join(wire.requests).count(b"EVALSHA") == len(wire.requests) == 1
    await admission.settle(tenant, receipts(asked), [entry.key for entry in entries(10)], claim="a")
    assert b"".join(wire.requests).count(b"EVALSHA") == len(wire.requests) == 2


async def test_a_batch_whose_answer_was_lost_is_let_in_as_it_was(
    connection: RedisConnection, wire: Line, tenant: str
) -> None:
    await warmed(connection, tenant)
    admission = RedisAdmission(connection, SMALL)
    wire.losing = True
    admitted = await admission.admit(tenant, entries(8), claim="a")
    assert not wire.losing
    assert admitted.verdicts == [Fresh()] * 5 + [Throttled(1)] * 3
    assert not admitted.degraded


async def test_a_receipt_whose_answer_was_lost_is_kept(connection: RedisConnection, wire: Line, tenant: str) -> None:
    admission = await warmed(connection, tenant)
    asked = entries(2)
    await admission.admit(tenant, asked, claim="a")
    wire.losing = True
    assert await admission.settle(tenant, receipts(asked[:1]), [asked[1].key], claim="a")
    again = await admission.admit(tenant, asked, claim="b")
    assert again.verdicts == [Known(Position(3, 0)), Fresh()]


async def test_a_restart_between_claim_and_receipt_keeps_the_receipt(
    connection: RedisConnection, valkey: OwnValkey, tenant: str
) -> None:
    admission = await warmed(connection, tenant)
    asked = entries(3)
    await admission.admit(tenant, asked, claim="a")
    valkey.restart()
    assert await admission.settle(tenant, receipts(asked), [], claim="a")
    again = await admission.admit(tenant, asked, claim="b")
    assert again.verdicts == [Known(Position(3, at)) for at in range(3)]
    assert not again.degraded


async def test_an_environment_that_was_frozen_is_not_degraded(wire: Line, tenant: str) -> None:
    wall = Clock()
    idle = Idle(60, wall=wall)
    connection = RedisConnection(
        f"redis://{wire.address}", client_name="integration", bound_seconds=PATIENCE_SECONDS, idle=idle
    )
    admission = await warmed(connection, tenant)
    wire.kill()
    wall.now += 300
    asked = entries(500)
    admitted = await admission.admit(tenant, asked, claim="a")
    assert not admitted.degraded
    assert await admission.settle(tenant, receipts(asked), [], claim="a")
    await connection.close()


async def test_nothing_is_kept_for_longer_than_was_said(
    connection: RedisConnection, server: Redis, tenant: str
) -> None:
    admission, backlog = RedisAdmission(connection, SMALL), RedisBacklog(connection)
    claimed, settled = entries(2)
    await admission.admit(tenant, [claimed, settled], claim="a")
    await admission.settle(tenant, [Settled(settled.key, None, 300)], [], claim="a")
    await backlog.enter(tenant, ["key"], spooled="object")
    answers = RedisAnswers(connection)
    await answers.begin(tenant, "in flight", THIS)
    await answers.finish(tenant, "done", THIS, Answer(202, {}, b"{}"))
    lives = {key: await server.pttl(key) / 1000 async for key in server.scan_iter(f"*{{{tenant}}}*")}
    assert len(lives) == 6
    prefix = f"dedup:{{{tenant}}}:".encode()
    assert 8 < lives.pop(prefix + claimed.key.bytes) <= 10
    assert 290 < lives.pop(prefix + settled.key.bytes) <= 300
    assert 0 < lives.pop(f"quota:{{{tenant}}}".encode()) <= 2.1
    assert DAY - 10 < lives.pop(f"spooled:{{{tenant}}}".encode()) <= DAY
    in_flight, done = sorted(lives.values())
    assert 20 < in_flight <= 30
    assert DAY - 10 < done <= DAY


async def test_a_claim_of_one_who_died_lapses(connection: RedisConnection, server: Redis, tenant: str) -> None:
    admission = await warmed(connection, tenant)
    asked = entries(1)
    await admission.admit(tenant, asked, claim="dead")
    await server.pexpire(f"dedup:{{{tenant}}}:".encode() + asked[0].key.bytes, 1)  # 10 s pass
    await asyncio.sleep(0.02)
    assert (await admission.admit(tenant, asked, claim="b")).verdicts == [Fresh()]
    assert await admission.settle(tenant, receipts(asked), [], claim="dead")
    assert await admission.settle(tenant, [Settled(asked[0].key, Position(0, 7), DAY)], [], claim="b")
    assert (await admission.admit(tenant, asked, claim="c")).verdicts == [Known(Position(0, 7))]


async def test_a_claim_whose_answer_was_lost_is_ones_own(connection: RedisConnection, wire: Line, tenant: str) -> None:
    await warmed(connection, tenant)
    answers = RedisAnswers(connection)
    wire.losing = True
    assert await answers.begin(tenant, "key", THIS) == Begun()
    assert not wire.losing
    assert await answers.begin(tenant, "key", THIS) == InFlight()


async def test_all_that_one_batch_stored_is_told_in_one_round_trip(
    connection: RedisConnection, wire: Line, server: Redis, valkey: OwnValkey
) -> None:
    waiters = RedisWaiters(connection, blocking_connection(f"redis://{valkey.address}", client_name="integration"))
    stored = [(f"{number % 40:032d}", uuid4()) for number in range(500)]
    await waiters.tell(stored)
    wire.requests.clear()
    await waiters.tell(stored)
    assert b"".join(wire.requests).count(b"RPUSH") == 40
    assert len(wire.requests) == 1
    lives = [await server.ttl(key) async for key in server.scan_iter("wait:*")]
    assert len(lives) == 40
    assert all(50 < life <= 60 for life in lives)


async def test_a_wait_may_take_longer_than_a_question(connection: RedisConnection, valkey: OwnValkey) -> None:
    blocking = blocking_connection(f"redis://{valkey.address}", client_name="integration")
    waiters = RedisWaiters(connection, blocking)
    waiter, key = uuid4().hex, uuid4()
    waiting = asyncio.create_task(waiters.wait(waiter, [key], seconds=20))
    await asyncio.sleep(3 * BOUND_SECONDS)
    await waiters.tell([(waiter, key)])
    assert await waiting == {key}
    await blocking.close()


async def test_a_wait_on_a_line_that_died_ends_in_time(valkey: OwnValkey) -> None:
    async with line(valkey.address) as wire:
        url = f"redis://{wire.address}"
        telling, blocking = (RedisConnection(url, client_name="i"), blocking_connection(url, client_name="i"))
        waiters = RedisWaiters(telling, blocking)
        waiting = asyncio.create_task(waiters.wait("nobody", [uuid4()], seconds=0.5))
        await asyncio.sleep(0.1)
        wire.kill()
        async with asyncio.timeout(2.5):
            assert await waiting == set()
        for connection in (telling, blocking):
            await connection.close()


async def test_all_of_it_works_in_a_cluster(cluster: OwnValkey, tenant: str) -> None:
    url = f"redis://{cluster.address}"
    connection = RedisConnection(url, client_name="integration", bound_seconds=PATIENCE_SECONDS)
    admission, backlog, answers = RedisAdmission(connection, PLENTY), RedisBacklog(connection), RedisAnswers(connection)
    asked = [*entries(200), Entry(UUID(bytes=b"}{" * 8), "key")]
    assert await backlog.enter(tenant, ["key", "key-0"], spooled="object")
    admitted = await admission.admit(tenant, asked, claim="a")
    assert not admitted.degraded
    assert admitted.verdicts == [Fresh(behind=True), *[Fresh()] * 199, Fresh(behind=True)]
    assert await admission.settle(tenant, receipts(asked[:-1]), [asked[-1].key], claim="a")
    again = await admission.admit(tenant, asked, claim="b")
    assert again.verdicts == [*[Known(Position(3, at)) for at in range(200)], Fresh(behind=True)]
    assert await backlog.leave(tenant, ["key", "key-0"], spooled="object")
    assert await answers.begin(tenant, "key", THIS) == Begun()
    await answers.abandon(tenant, "key", THIS)
    assert await answers.begin(tenant, "key", THIS) == Begun()
    waiters = RedisWaiters(connection, connection)
    stored = [(uuid4().hex, uuid4()) for _ in range(20)]
    await waiters.tell(stored)
    for waiter, key in stored:
        assert await waiters.wait(waiter, [key], seconds=2) == {key}
    await connection.close()
