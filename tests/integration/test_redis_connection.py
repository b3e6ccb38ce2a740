"""The connection over a real server, and over networks that are none."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from shared.adapters.redis.connection import BOUND_SECONDS, Away, RedisConnection
from shared.adapters.redis.scripts import Script
from shared.kit.idle import Idle
from tests.fixtures.network import gate
from tests.fixtures.valkey import Line, OwnValkey, line, own_valkey
from tests.fixtures.wires import Wire
from tests.fixtures.wires import wire as listening_wire

_SLACK_SECONDS = 2.0  # for a machine that has other things to do: what is told apart is a bound from a hang
_PATIENCE_SECONDS = 1.0  # five times the usual bound, for the same reason
_AWAY_SECONDS = 5.0
_COUNT = Script("return redis.call('INCR', KEYS[1])")

pytestmark = pytest.mark.parts


class Clock:
    """One that is set."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnValkey]:
    """A server that may be restarted."""
    state: Path = tmp_path_factory.mktemp("valkey")
    with own_valkey(state) as valkey:
        yield valkey


@pytest.fixture
async def wire(valkey: OwnValkey) -> AsyncIterator[Line]:
    """A line to it."""
    async with line(valkey.address) as wire:
        yield wire


@pytest.fixture
async def connection(wire: Line) -> AsyncIterator[RedisConnection]:
    """What is tested, over the line."""
    connection = RedisConnection(
        f"redis://{wire.address}",
        client_name="integration",
        bound_seconds=_PATIENCE_SECONDS,
        away_seconds=_AWAY_SECONDS,
    )
    yield connection
    await connection.close()


async def test_a_new_connection_says_only_its_name_before_the_first_question(
    connection: RedisConnection, wire: Line
) -> None:
    await connection.ask(lambda redis: redis.get("key"))
    assert len(wire.requests) == 2
    assert b"SETNAME" in wire.requests[0]


async def test_a_script_is_sent_once_and_named_from_then_on(
    connection: RedisConnection, wire: Line, valkey: OwnValkey
) -> None:
    valkey.restart()
    for count in range(1, 4):
        assert await connection.run(_COUNT, ["script"], []) == count
    said = b"".join(wire.requests)
    assert (said.count(b"EVALSHA"), said.count(_COUNT.text.encode())) == (3, 1)


async def test_a_restarted_server_costs_no_error(connection: RedisConnection, valkey: OwnValkey) -> None:
    for _ in range(2):
        assert await connection.run(_COUNT, ["restarted"], []) == 1
        valkey.restart()  # which has neither the script nor the key
    assert await connection.run(_COUNT, ["restarted"], []) == 1


async def test_a_lost_answer_is_asked_for_once_more(connection: RedisConnection, wire: Line) -> None:
    await connection.run(_COUNT, ["lost"], [])
    wire.losing = True
    assert await connection.run(_COUNT, ["lost"], []) == 3  # done twice: what is asked must be repeatable


async def test_a_connection_that_was_reset_while_the_loop_had_other_work_costs_no_error(valkey: OwnValkey) -> None:
    async with listening_wire(Wire(valkey.address)) as between:
        connection = RedisConnection(
            f"redis://{between.address}", client_name="integration", bound_seconds=_PATIENCE_SECONDS
        )
        assert await connection.run(_COUNT, ["reset"], []) == 1
        between.cut()
        await asyncio.sleep(0.1)  # until the loop has heard of it
        assert await connection.run(_COUNT, ["reset"], []) == 2
        await connection.close()


async def test_a_late_answer_is_not_taken_for_that_of_the_next_question(
    connection: RedisConnection, wire: Line
) -> None:
    await connection.ask(lambda redis: redis.set("late", "late"))
    await connection.ask(lambda redis: redis.set("next", "next"))
    wire.delay_seconds = _PATIENCE_SECONDS
    with pytest.raises(Away):
        await connection.ask(lambda redis: redis.get("late"))
    wire.delay_seconds = 0.0
    await asyncio.sleep(_AWAY_SECONDS / 8)
    assert await connection.ask(lambda redis: redis.get("next")) == b"next"


async def test_a_question_that_is_given_up_does_not_leave_its_answer_behind(
    connection: RedisConnection, wire: Line
) -> None:
    await connection.ask(lambda redis: redis.set("given up", "given up"))
    wire.delay_seconds = 0.05
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await connection.ask(lambda redis: redis.get("given up"))
    wire.delay_seconds = 0.0
    assert await connection.ask(lambda redis: redis.get("nothing here")) is None


async def test_away_lasts_for_its_time_and_is_over_then(connection: RedisConnection, wire: Line) -> None:
    wire.delay_seconds = 1.0
    with pytest.raises(Away):
        await connection.ask(lambda redis: redis.get("key"))
    wire.delay_seconds = 0.0
    opened = wire.opened
    with pytest.raises(Away):  # not even asked
        await connection.ask(lambda redis: redis.get("key"))
    assert wire.opened == opened
    await asyncio.sleep(_AWAY_SECONDS / 8)
    assert await connection.ask(lambda redis: redis.get("key")) is None


async def test_away_grows_with_every_failure_and_is_forgotten_with_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    # Only the clock by which Redis counts as away: nobody waits for half a minute here.
    monkeypatch.setattr("shared.adapters.redis.connection.time.monotonic", lambda: now)
    connection = RedisConnection("redis://127.0.0.1:1", client_name="integration", away_seconds=5)
    lasted = []
    for _ in range(6):
        with pytest.raises(Away):
            await connection.ask(lambda redis: redis.get("key"))
        lasted.append(connection._away_until - now)
        now = connection._away_until
    assert lasted == pytest.approx([0.5, 1, 2, 4, 5, 5])
    await connection.close()


async def test_who_never_answers_costs_the_bound() -> None:
    async with gate() as silent:
        connection = RedisConnection(f"redis://{silent.address}", client_name="integration")
        began = time.monotonic()
        with pytest.raises(Away):
            await connection.ask(lambda redis: redis.get("key"))
        for _ in range(100):
            with pytest.raises(Away):
                await connection.ask(lambda redis: redis.get("key"))
        assert time.monotonic() - began < BOUND_SECONDS + _SLACK_SECONDS
        await connection.close()


async def test_questions_at_the_same_moment_have_their_own_answers(connection: RedisConnection, wire: Line) -> None:
    async def echo(number: int) -> None:
        said = str(number).encode()
        assert await connection.ask(lambda redis: redis.echo(said)) == said

    await asyncio.gather(*(echo(number) for number in range(50)))
    wire.losing = True
    await asyncio.gather(*(echo(number) for number in range(50)))


@pytest.mark.parametrize("stands_still", ["wall", "monotonic"])
async def test_a_connection_that_died_while_frozen_is_dropped_before_use(wire: Line, stands_still: str) -> None:
    clocks = {"wall": Clock(), "monotonic": Clock()}
    idle = Idle(60, wall=clocks["wall"], monotonic=clocks["monotonic"])
    connection = RedisConnection(
        f"redis://{wire.address}", client_name="integration", bound_seconds=_PATIENCE_SECONDS, idle=idle
    )
    await connection.run(_COUNT, ["frozen"], [])
    wire.kill()
    for name, clock in clocks.items():
        clock.now += 0 if name == stands_still else 300
    # Asked at once by several, as a request does that reads its rules while it is admitted.
    answers = await asyncio.gather(*(connection.ask(lambda redis: redis.get("frozen")) for _ in range(3)))
    assert all(answer is not None for answer in answers)
    await connection.close()


async def test_a_connection_that_died_unnoticed_costs_one_question(connection: RedisConnection, wire: Line) -> None:
    await connection.ask(lambda redis: redis.get("key"))
    wire.kill()
    began = time.monotonic()
    with pytest.raises(Away):
        await connection.ask(lambda redis: redis.get("key"))
    assert time.monotonic() - began < _PATIENCE_SECONDS + _SLACK_SECONDS
    await asyncio.sleep(_AWAY_SECONDS / 8)
    assert await connection.ask(lambda redis: redis.get("key")) is None
