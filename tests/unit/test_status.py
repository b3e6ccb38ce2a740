"""The status and the metrics made of it: honest about parts that are away, and about what nothing is known of."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from functions.catalog import FUNCTIONS, Kafka
from functions.manage import docs
from shared.access.model import Principal
from shared.adapters.memory.status import MemoryLogFigures, MemoryStorageFigures
from shared.kit.clock import FixedClock
from shared.runtime.metrics import publish
from shared.status.assemble import Statuses
from shared.status.metrics import Sample, samples
from shared.status.model import CONSUMERS, Consumer, ConsumerLag, DeadLetters, Latency
from shared.status.vocabulary import Metric
from tests.fixtures.doors import ManageDoor, client_of
from tests.fixtures.events import MOMENT

SECTIONS = {"log", "dead_letters", "latency", "connections", "partitions"}


async def status_of(door: ManageDoor) -> dict[str, Any]:
    async with client_of(door.app) as client:
        response = await client.get("/v1/status")
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    assert Draft202012Validator(docs.SCHEMAS["SystemStatus"], offline=True).is_valid(found)
    return found


def unavailable(found: dict[str, Any]) -> set[str]:
    return {name for name in SECTIONS if found[name] == {"state": "unavailable"}}


async def test_everything_is_told_at_once() -> None:
    door = ManageDoor()
    door.log_figures.append("events", 3, MOMENT - timedelta(seconds=90))
    door.storage_figures.dead = DeadLetters(4)
    door.storage_figures.measured = Latency(sampled=2, p50_ms=1.5, p95_ms=2.5, p99_ms=3.5)
    found = await status_of(door)
    assert (found["state"], unavailable(found)) == ("ok", set())
    persist, bury = found["log"]["consumers"]
    assert (persist["group"], persist["lag"], persist["oldest_age_seconds"]) == ("persist", 1, 90.0)
    assert persist["time_to_loss_seconds"] == 7 * 24 * 3600 - 90
    assert len(persist["partitions"]) == 12
    assert (bury["group"], bury["topic"], bury["lag"], bury["time_to_loss_seconds"]) == ("bury", "events.dead", 0, None)
    assert found["dead_letters"] == {"state": "ok", "dead": 4}
    assert found["latency"] == {"state": "ok", "sampled": 2, "p50_ms": 1.5, "p95_ms": 2.5, "p99_ms": 3.5}
    assert found["connections"] == {"state": "ok", "in_use": 3, "most": 100, "budget": 60}
    assert found["partitions"] == {"state": "ok", "ahead": 7, "oldest": "2026-03-03", "default_rows": 0}


async def test_a_part_that_is_away_takes_only_its_own_sections_with_it() -> None:
    door = ManageDoor()
    door.log_figures.away = True
    found = await status_of(door)
    assert (found["state"], unavailable(found)) == ("degraded", {"log"})
    door.log_figures.away, door.storage_figures.away = False, True
    found = await status_of(door)
    assert (found["state"], unavailable(found)) == ("degraded", SECTIONS - {"log"})


class _Silent(MemoryLogFigures):
    async def lag(self, consumers: Any) -> list[ConsumerLag]:
        await asyncio.Event().wait()
        raise AssertionError("nobody ends that wait")


async def test_a_silent_part_is_waited_for_no_longer_than_its_time() -> None:
    status = await Statuses(_Silent(), MemoryStorageFigures(), FixedClock(MOMENT), budget_seconds=0.05)()
    assert status.consumers is None
    assert status.partitions is not None


class _Hesitant(MemoryStorageFigures):
    async def dead_letters(self) -> DeadLetters:
        await asyncio.Event().wait()
        raise AssertionError("nobody ends that wait")


async def test_what_a_part_has_told_by_then_is_kept() -> None:
    status = await Statuses(MemoryLogFigures(), _Hesitant(), FixedClock(MOMENT), budget_seconds=0.05)()
    assert status.partitions is not None
    assert (status.dead_letters, status.latency, status.connections) == (None, None, None)


async def test_nobody_is_told_the_status_without_a_key() -> None:
    async with client_of(ManageDoor().app, key=None) as client:
        assert (await client.get("/v1/status")).status_code == 401


class _Tenants:
    async def authenticate(self, authorization: str | None) -> Principal:
        return Principal(name="somebody", tenant="tests")


async def test_what_tells_of_all_tenants_is_told_to_operators_only() -> None:
    async with client_of(ManageDoor(access=_Tenants()).app) as client:
        answer = await client.get("/v1/status")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_the_consumers_of_the_catalog_are_watched() -> None:
    reading = {
        Consumer(row.trigger.consumer_group, row.trigger.topic) for row in FUNCTIONS if isinstance(row.trigger, Kafka)
    }
    assert reading <= set(CONSUMERS)


async def test_every_figure_that_is_known_is_a_sample_and_no_other() -> None:
    log, storage = MemoryLogFigures(), MemoryStorageFigures()
    log.append("events", 0, MOMENT - timedelta(seconds=30))
    storage.measured = Latency(sampled=1, p50_ms=1.0, p95_ms=2.0, p99_ms=3.0)
    statuses = Statuses(log, storage, FixedClock(MOMENT))
    found = samples(await statuses())
    assert {sample.metric for sample in found} == set(Metric)
    assert Sample(Metric.TIME_TO_LOSS, 7 * 24 * 3600 - 30, "persist") in found
    assert Sample(Metric.TIME_TO_LOSS, 14 * 24 * 3600, "bury") in found
    assert Sample(Metric.CONNECTION_BUDGET_USED, 5.0) in found
    log.away = True
    assert {sample.group for sample in samples(await statuses())} == {None}
    storage.away = True
    assert samples(await statuses()) == []


def test_samples_are_written_as_cloudwatch_reads_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Millrace")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "maintain")
    lag, ahead = Sample(Metric.CONSUMER_LAG, 5, "persist"), Sample(Metric.PARTITIONS_AHEAD, 7)
    publish([lag, ahead, Sample(Metric.TIME_TO_LOSS, 9.5, "persist")])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    told = {}
    for line in lines:
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == "Millrace"
        dimensions = {name: line[name] for name in directive["Dimensions"][0]}
        for metric in directive["Metrics"]:
            told[metric["Name"]] = (metric["Unit"], line[metric["Name"]], dimensions)
    assert told == {
        "ConsumerLag": ("Count", [5.0], {"service": "maintain", "group": "persist"}),
        "TimeToLoss": ("Seconds", [9.5], {"service": "maintain", "group": "persist"}),
        "PartitionsAhead": ("Count", [7.0], {"service": "maintain"}),
    }
