"""What Answers promises, kept in memory and by Redis or Valkey, for two environments at one moment."""

import asyncio
import hashlib
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import pytest

from shared.adapters.memory.answers import MemoryAnswers
from shared.adapters.redis.answers import RedisAnswers
from shared.adapters.redis.connection import RedisConnection
from shared.idempotency.ports import Answer, Answers, Away, Begun, InFlight, Mismatch
from tests.fixtures.valkey import PATIENCE_SECONDS

THIS, OTHER = (hashlib.sha256(body).digest() for body in (b"this", b"other"))
ANSWER = Answer(207, {"content-type": "application/json", "location": "/v1/events/1"}, b'{"id":"\xc3\xa9"}')


@dataclass(frozen=True)
class Pair:
    """Two environments over one place."""

    here: Answers
    there: Answers


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.parts)])
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    """Two environments."""
    if request.param == "memory":
        answers = MemoryAnswers()
        yield Pair(answers, answers)
        return
    url = request.getfixturevalue("endpoints").redis_url
    connections = [RedisConnection(url, client_name="contract", bound_seconds=PATIENCE_SECONDS) for _ in range(2)]
    yield Pair(*(RedisAnswers(each) for each in connections))
    for connection in connections:
        await connection.close()


@pytest.fixture(params=["memory", "redis"])
async def absent(request: pytest.FixtureRequest) -> AsyncIterator[Answers]:
    """The port over nothing."""
    if request.param == "memory":
        memory = MemoryAnswers()
        memory.away = True
        yield memory
        return
    connection = RedisConnection("redis://127.0.0.1:1", client_name="contract")  # a port that nothing listens on
    yield RedisAnswers(connection)
    await connection.close()


@pytest.fixture
def tenant() -> str:
    """One that nobody else uses."""
    return f"contract-{uuid4()}"


async def test_a_request_sent_again_has_the_same_answer(pair: Pair, tenant: str) -> None:
    assert await pair.here.begin(tenant, "key", THIS) == Begun()
    assert await pair.here.finish(tenant, "key", THIS, ANSWER)
    for environment in (pair.here, pair.there):
        assert await environment.begin(tenant, "key", THIS) == ANSWER


async def test_of_many_at_the_same_moment_one_begins(pair: Pair, tenant: str) -> None:
    beginnings = await asyncio.gather(
        *(environment.begin(tenant, "key", THIS) for _ in range(10) for environment in (pair.here, pair.there))
    )
    assert Counter(type(beginning) for beginning in beginnings) == {Begun: 1, InFlight: 19}


async def test_another_request_under_the_key_is_told_apart(pair: Pair, tenant: str) -> None:
    await pair.here.begin(tenant, "key", THIS)
    assert await pair.there.begin(tenant, "key", OTHER) == Mismatch()
    await pair.here.finish(tenant, "key", THIS, ANSWER)
    assert await pair.there.begin(tenant, "key", OTHER) == Mismatch()
    assert await pair.there.begin(tenant, "other key", OTHER) == Begun()


async def test_what_is_abandoned_may_begin_anew(pair: Pair, tenant: str) -> None:
    await pair.here.begin(tenant, "key", THIS)
    await pair.here.abandon(tenant, "key", THIS)
    assert await pair.there.begin(tenant, "key", OTHER) == Begun()


async def test_nobody_abandons_what_is_finished_or_not_theirs(pair: Pair, tenant: str) -> None:
    await pair.here.begin(tenant, "key", THIS)
    await pair.there.abandon(tenant, "key", OTHER)
    assert await pair.there.begin(tenant, "key", THIS) == InFlight()
    await pair.here.finish(tenant, "key", THIS, ANSWER)
    await pair.here.abandon(tenant, "key", THIS)
    assert await pair.there.begin(tenant, "key", THIS) == ANSWER
    await pair.here.abandon(tenant, "never begun", THIS)


async def test_tenants_do_not_share_keys(pair: Pair, tenant: str) -> None:
    await pair.here.begin(tenant, "key", THIS)
    await pair.here.finish(tenant, "key", THIS, ANSWER)
    assert await pair.here.begin(f"{tenant}-other", "key", THIS) == Begun()


@pytest.mark.parametrize("body", [b"", b"\x00\xff\r\n", b"receipt," * 100_000])
async def test_an_answer_is_kept_byte_for_byte(pair: Pair, tenant: str, body: bytes) -> None:
    answer = Answer(202, {}, body)
    await pair.here.begin(tenant, "key", THIS)
    assert await pair.here.finish(tenant, "key", THIS, answer)
    assert await pair.there.begin(tenant, "key", THIS) == answer


async def test_an_answer_that_is_too_large_is_not_kept_and_its_key_is_free(pair: Pair, tenant: str) -> None:
    await pair.here.begin(tenant, "key", THIS)
    assert not await pair.here.finish(tenant, "key", THIS, Answer(202, {}, secrets.token_bytes(1 << 21)))
    assert await pair.there.begin(tenant, "key", OTHER) == Begun()


@pytest.mark.parametrize("key", ["", " ", "}{", "k" * 255, "é\x00\n"])
async def test_any_key_will_do(pair: Pair, tenant: str, key: str) -> None:
    assert await pair.here.begin(tenant, key, THIS) == Begun()
    assert await pair.there.begin(tenant, key, THIS) == InFlight()


async def test_away_nobody_can_say(absent: Answers, tenant: str) -> None:
    assert await absent.begin(tenant, "key", THIS) == Away()
    assert not await absent.finish(tenant, "key", THIS, ANSWER)
    await absent.abandon(tenant, "key", THIS)
