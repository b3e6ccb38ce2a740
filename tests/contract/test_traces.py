"""What Traces promises, kept in memory and by Redis or Valkey."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import pytest

from shared.adapters.memory.cache import MemoryCache
from shared.adapters.memory.remains import MemoryTraces
from shared.adapters.redis.admission import RedisAdmission
from shared.adapters.redis.cache import RedisCache
from shared.adapters.redis.connection import RedisConnection
from shared.adapters.redis.traces import RedisTraces
from shared.events.admission import Entry, Fresh, Known, Quota, Settled
from shared.events.model import Position
from shared.events.ports import Cache
from shared.events.query import cache_key
from shared.jobs.ports import RowName, Traces
from shared.kit.errors import Unavailable
from tests.fixtures.events import MOMENT, an_event
from tests.fixtures.valkey import PATIENCE_SECONDS


@dataclass(frozen=True)
class Kept:
    """A cache, and who removes from it."""

    cache: Cache
    traces: Traces


@pytest.fixture
async def connection(request: pytest.FixtureRequest) -> AsyncIterator[RedisConnection]:
    url = request.getfixturevalue("endpoints").redis_url
    redis = RedisConnection(url, client_name="contract", bound_seconds=PATIENCE_SECONDS)
    yield redis
    await redis.close()


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.parts)])
def kept(request: pytest.FixtureRequest) -> Kept:
    if request.param == "memory":
        cache = MemoryCache()
        return Kept(cache, MemoryTraces(cache))
    redis: RedisConnection = request.getfixturevalue("connection")
    return Kept(RedisCache(redis), RedisTraces(redis))


def a_name(id_: str, tenant: str) -> RowName:
    event = an_event(id_, tenant=tenant)
    return RowName(day=MOMENT.date(), key=event.key, id=event.id, source=event.source)


async def test_answers_about_the_rows_are_gone_and_no_others(kept: Kept) -> None:
    tenant = f"tenant-{uuid4()}"
    for id_ in ("gone", "kept"):
        for source in ("/tests", None):
            await kept.cache.put(cache_key(tenant, id_, source), b"{}", ttl_seconds=60)
    for _ in range(2):
        await kept.traces.forget(tenant, [a_name("gone", tenant)])
        await kept.traces.forget(tenant, [])
    found = [
        await kept.cache.get(cache_key(tenant, id_, source)) for id_ in ("gone", "kept") for source in ("/tests", None)
    ]
    assert found == [None, None, b"{}", b"{}"]


@pytest.mark.parts
async def test_receipts_of_the_rows_are_gone_and_the_events_may_be_sent_anew(connection: RedisConnection) -> None:
    tenant = f"tenant-{uuid4()}"
    admission = RedisAdmission(connection, Quota(events_per_second=1000, burst=1000))
    gone, other = a_name("gone", tenant), a_name("kept", tenant)
    entries = [Entry(each.key, "key") for each in (gone, other)]
    await admission.admit(tenant, entries, claim="claim")
    settled = [Settled(each.key, Position(0, 1), 60) for each in (gone, other)]
    assert await admission.settle(tenant, settled, [], claim="claim")
    await RedisTraces(connection).forget(tenant, [gone])
    assert (await admission.admit(tenant, entries, claim="another")).verdicts == [Fresh(), Known(Position(0, 1))]


async def test_where_redis_is_away_nothing_is_said_to_be_gone() -> None:
    redis = RedisConnection("redis://127.0.0.1:1", client_name="contract")
    with pytest.raises(Unavailable):
        await RedisTraces(redis).forget("tests", [a_name("gone", "tests")])
    await redis.close()
