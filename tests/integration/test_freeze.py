"""An environment that was frozen while its connections died: the next request does not see it."""

import asyncio
import hashlib
import json
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from millrace_harness.parts.endpoints import Endpoints
from shared.adapters.kafka.topics import create_topics
from shared.events.envelope import decode
from shared.events.model import LogRecord
from shared.events.topics import EVENTS
from shared.runtime.settings import IngestSettings
from tests.fixtures.environment import Environment, environment
from tests.fixtures.network import Gate, gate
from tests.fixtures.relay import Relay, relay
from tests.fixtures.samples import sample
from tests.integration.test_kafka_log import records

_FIVE_MINUTES = 300.0
_FROZEN_SECONDS = 0.3  # in truth
_BUDGET_SECONDS = 2.0
_SLACK_SECONDS = 3.0  # for a machine that has other things to do
_KEY = "a-key-for-tests"

pytestmark = pytest.mark.parts


@dataclass
class Frozen:
    """An environment of `ingest` with a relay before each part that it keeps a connection to."""

    environment: Environment
    kafka: Relay
    redis: Gate
    endpoints: Endpoints

    async def post(self, id_: str) -> dict[str, Any]:
        """Send an event, and take the answer's body with its HTTP status as `http`, and the `seconds` it took."""
        body = {"id": id_, "type": "test.frozen", "source": "/tests", "data": 1, "key": "one"}
        began = time.monotonic()
        answer = await asyncio.to_thread(
            self.environment.invoke, sample("apigateway-v1.json") | {"body": json.dumps(body)}
        )
        seconds = time.monotonic() - began
        told: dict[str, Any] = json.loads(answer["body"])
        return told | {"http": answer["statusCode"], "seconds": seconds}

    async def freeze(self, *, silently: bool = False) -> None:
        """Freeze it, and let its connections die: by a reset, or so that neither side hears of it."""
        self.environment.freeze()
        if silently:
            self.kafka.forget()
            self.redis.forget()
        else:
            self.kafka.cut()
            self.redis.cut()
        await asyncio.sleep(_FROZEN_SECONDS)

    async def in_the_log(self, *ids: str) -> list[LogRecord]:
        """Those of `ids` that the log holds, once for each time that it does."""
        found = await records(self.endpoints, EVENTS)
        held = [LogRecord(decode(record.value), place) for place, record in sorted(found.items(), key=str)]
        return [record for record in held if record.event.id in ids]


@pytest.fixture
async def frozen(endpoints: Endpoints) -> AsyncIterator[Frozen]:
    """One that has served a request, and is thawed yet."""
    await create_topics(endpoints.kafka_bootstrap, [EVENTS], replication=1)
    where, _, database = endpoints.redis_url.removeprefix("redis://").partition("/")
    async with relay(endpoints.kafka_bootstrap) as kafka, gate(where, is_open=True) as redis:
        settings = {
            "KAFKA_BOOTSTRAP": kafka.address,
            "REDIS_URL": f"redis://{redis.address}/{database}",
            "DATABASE_READ_URL": endpoints.database_read_url,
            "SPOOL_BUCKET": "none",
            "API_KEY_SHA256": hashlib.sha256(_KEY.encode()).hexdigest(),
        }
        assert settings.keys() == IngestSettings.environment_names()
        # No S3 stands behind it: what is spooled here is not acknowledged.
        aws = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_DEFAULT_REGION": "eu-central-1"}
        with environment(settings | aws) as made:
            found = Frozen(made, kafka, redis, endpoints)
            assert (await found.post(a_name()))["http"] == 202
            yield found


def a_name() -> str:
    """An id that no other event has."""
    return f"frozen-{uuid.uuid4()}"


@pytest.mark.parametrize("silently", [False, True], ids=["reset", "silently"])
async def test_after_five_minutes_of_frost_and_dead_connections_the_next_request_is_accepted(
    frozen: Frozen, silently: bool
) -> None:
    id_ = a_name()
    await frozen.freeze(silently=silently)
    frozen.environment.thaw(after=_FIVE_MINUTES)
    answer = await frozen.post(id_)
    assert (answer["http"], answer["status"]) == (202, "accepted")
    assert frozen.kafka.unheard == 0  # the old connections were not even tried
    assert answer["seconds"] < _BUDGET_SECONDS + _SLACK_SECONDS
    assert len(await frozen.in_the_log(id_)) == 1


@pytest.mark.parametrize("silently", [False, True], ids=["reset", "silently"])
async def test_after_a_frost_too_short_to_be_seen_a_dead_connection_costs_time_and_no_event(
    frozen: Frozen, silently: bool
) -> None:
    id_ = a_name()
    await frozen.freeze(silently=silently)
    frozen.environment.thaw()
    answer = await frozen.post(id_)
    assert (answer["http"], answer["status"]) == (202, "accepted")
    assert answer["seconds"] < _BUDGET_SECONDS + _SLACK_SECONDS
    assert len(await frozen.in_the_log(id_)) == 1


async def test_frozen_with_a_produce_under_way_it_says_retry_and_the_resend_is_the_same_event(frozen: Frozen) -> None:
    id_ = a_name()
    frozen.kafka.lost_answers = 1_000_000
    posting = asyncio.ensure_future(frozen.post(id_))
    while frozen.kafka.lost_answers == 1_000_000:
        await asyncio.sleep(0.001)
    frozen.environment.freeze()
    await asyncio.sleep(_BUDGET_SECONDS)
    frozen.environment.thaw(after=_FIVE_MINUTES)
    answer = await posting
    assert (answer["http"], answer["code"]) == (503, "unavailable")
    frozen.kafka.lost_answers = 0
    again = await frozen.post(id_)
    if again["http"] == 503:  # the log was left alone for once: the spool's turn, and there is none
        again = await frozen.post(id_)
    assert (again["http"], again["status"]) == (202, "accepted")
    held = await frozen.in_the_log(id_)
    assert len({record.event.key for record in held}) == 1  # one row, however many records
    third = await frozen.post(id_)
    assert third["status"] == "duplicate"
    assert third["position"] == again["position"]
