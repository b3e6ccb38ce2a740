"""While nothing can be stored, the status says what waits, since when, and how long until it is lost."""

import time
from typing import Any

import httpx

from millrace_harness.parts.supervisor import Stack
from tests.fixtures.deployment import Ledger, away

_TOLD_SECONDS = 60.0  # a bound, not an expectation
_PAUSE_SECONDS = 0.5
_STORAGE = ("dead_letters", "latency", "connections", "partitions")


def status_of(api: httpx.Client) -> tuple[dict[str, Any], dict[str, Any]]:
    """The status, and what it says of persist."""
    response = api.get("/v1/status")
    assert response.status_code == 200, response.text
    status: dict[str, Any] = response.json()
    consumers = status["log"].get("consumers", [{"group": "persist", "lag": None}])
    return status, next(consumer for consumer in consumers if consumer["group"] == "persist")


def waiting_is(api: httpx.Client, count: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The status as soon as so many events wait."""
    deadline = time.monotonic() + _TOLD_SECONDS
    while (found := status_of(api))[1]["lag"] != count:
        assert time.monotonic() < deadline, f"{found[1]['lag']} events are said to wait, and not {count}"
        time.sleep(_PAUSE_SECONDS)
    return found


def test_while_postgresql_is_away_the_lag_and_the_time_to_loss_are_told(
    api: httpx.Client, ledger: Ledger, parts: Stack
) -> None:
    waiting_is(api, 0)
    with away(parts, "primary"):
        for _ in range(10):
            assert ledger.post(api).is_success
        status, persist = waiting_is(api, 10)
        assert status["state"] == "degraded"
        assert [status[name] for name in _STORAGE] == [{"state": "unavailable"}] * len(_STORAGE)
        first = persist["time_to_loss_seconds"]
        assert 0 < first < persist["retention_seconds"]
        assert first + persist["oldest_age_seconds"] == persist["retention_seconds"]
        time.sleep(_PAUSE_SECONDS)
        assert status_of(api)[1]["time_to_loss_seconds"] < first
    ledger.assert_stored_once()
    status, persist = waiting_is(api, 0)
    assert (status["state"], persist["lost"], persist["time_to_loss_seconds"]) == ("ok", 0, None)


def test_while_kafka_is_away_the_status_says_so_and_tells_the_rest(api: httpx.Client, parts: Stack) -> None:
    with away(parts, "kafka"):
        status, _ = status_of(api)
        assert status["log"] == {"state": "unavailable"}
        assert status["partitions"]["ahead"] >= 7
    waiting_is(api, 0)
