"""The deployed stack says how far behind it is, and the clock starts what keeps its days."""

import json
import time
from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import pytest

from tests.fixtures.deployment import Ledger

_DONE_SECONDS = 60.0  # bounds, not expectations: two busy cores, and cold environments
_RUN_SECONDS = 180.0  # the clock strikes once a minute, and the first time a minute after the deploy
_PAUSE_SECONDS = 1.0
_LOGS = "/aws/lambda/local-maintain"


def status_of(api: httpx.Client) -> dict[str, Any]:
    response = api.get("/v1/status")
    response.raise_for_status()
    found: dict[str, Any] = response.json()
    return found


def persist_of(status: dict[str, Any]) -> dict[str, Any]:
    (found,) = (consumer for consumer in status["log"]["consumers"] if consumer["group"] == "persist")
    return dict(found)


def test_when_everything_is_stored_nothing_waits_and_a_week_of_days_is_there(api: httpx.Client, ledger: Ledger) -> None:
    for _ in range(20):
        assert ledger.post(api).is_success
    ledger.assert_stored_once()
    deadline = time.monotonic() + _DONE_SECONDS
    while persist_of(status := status_of(api))["lag"]:
        assert time.monotonic() < deadline, "the group does not say that it has done what is stored"
        time.sleep(_PAUSE_SECONDS)
    assert status["state"] == "ok"
    persist = persist_of(status)
    assert (persist["lag"], persist["lost"], persist["oldest_age_seconds"]) == (0, 0, None)
    assert persist["retention_seconds"] == 7 * 24 * 3600
    assert sum(partition["done"] for partition in persist["partitions"]) >= 20
    assert status["latency"]["sampled"] >= 20
    assert 0 < status["latency"]["p50_ms"] <= status["latency"]["p99_ms"]
    assert 0 < status["connections"]["in_use"] <= status["connections"]["budget"]
    assert status["partitions"]["ahead"] >= 7
    assert status["partitions"]["default_rows"] == 0


@pytest.mark.timeout(_RUN_SECONDS + 60)
def test_the_clock_starts_maintain_and_its_chores_are_done(url: str) -> None:
    deadline = time.monotonic() + _RUN_SECONDS
    while {line.get("chore") for line in lines() if line.get("message") == "chore.done"} < {"days", "status"}:
        assert time.monotonic() < deadline, "maintain was not started, or has not done its chores"
        time.sleep(_PAUSE_SECONDS)
    ahead = [line["PartitionsAhead"] for line in lines() if "PartitionsAhead" in line]
    assert ahead[-1] == [7.0]


def lines() -> Iterator[dict[str, Any]]:
    """What maintain has written, as far as it is JSON."""
    logs = boto3.client("logs")
    try:
        events = logs.filter_log_events(logGroupName=_LOGS)["events"]
    except logs.exceptions.ResourceNotFoundException:
        return
    for event in events:
        try:
            found = json.loads(event["message"])
        except ValueError:
            continue
        if isinstance(found, dict):
            yield found
