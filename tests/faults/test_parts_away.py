"""A part is taken away under traffic: what was acknowledged is stored once, what could not be is said."""

import threading
import time

import httpx
import pytest

from millrace_harness.parts.supervisor import Stack
from tests.fixtures.deployment import Ledger, SpoolBucket, away, environments_of, read_back

pytestmark = pytest.mark.timeout(300)

ANSWER_SECONDS = 3.0  # the promise of a 503: a client that waits longer has been left hanging
BACK_SECONDS = 60.0


def accepted_again(api: httpx.Client, ledger: Ledger) -> None:
    """Sends until an event goes to the log: an environment that has seen the log away spools until it has asked it."""
    deadline = time.monotonic() + BACK_SECONDS
    while (response := ledger.post(api)).status_code != httpx.codes.ACCEPTED or response.json()["status"] != "accepted":
        assert time.monotonic() < deadline, "the log is back, and nothing goes to it"


def test_kafka_and_the_spool_away_is_a_503_in_time_and_never_an_acknowledgement(
    api: httpx.Client, parts: Stack, ledger: Ledger, spool: SpoolBucket
) -> None:
    accepted_again(api, ledger)
    with spool.away(), away(parts, "kafka"):
        for _ in range(3):
            started = time.monotonic()
            response = ledger.post(api)
            elapsed = time.monotonic() - started
            assert response.status_code == 503
            assert int(response.headers["retry-after"]) >= 1
            assert response.json()["retryable"] is True
            assert elapsed < ANSWER_SECONDS
        assert api.get("/health/ready").status_code == 503
    accepted_again(api, ledger)
    ledger.assert_stored_once()


def test_an_event_refused_while_both_were_away_is_one_row_after_its_resend(
    api: httpx.Client, parts: Stack, ledger: Ledger, spool: SpoolBucket
) -> None:
    accepted_again(api, ledger)
    with spool.away(), away(parts, "kafka"):
        refused = ledger.post(api)
        assert refused.status_code == 503
    accepted_again(api, ledger)
    (result,) = refused.json()["results"]
    assert result["status"] == "retry"
    assert ledger.post(api, id=result["id"]).status_code == 202
    ledger.assert_stored_once()


def test_postgresql_away_loses_nothing(api: httpx.Client, parts: Stack, ledger: Ledger) -> None:
    assert ledger.post(api).status_code == 202
    with away(parts, "primary", "replica"):
        for _ in range(20):
            assert ledger.post(api).status_code == 202
        assert api.get("/v1/events").status_code == 503
    ledger.assert_stored_once()
    for id_ in ledger.acknowledged:
        assert read_back(api, id_)["id"] == id_


def test_the_cache_away_is_not_felt_by_readers(api: httpx.Client, parts: Stack, ledger: Ledger) -> None:
    assert ledger.post(api).status_code == 202
    (id_,) = ledger.acknowledged
    read_back(api, id_)
    with away(parts, "valkey"):
        assert api.get(f"/v1/events/{id_}").json()["id"] == id_


@pytest.mark.parametrize("function", ["persist", "ingest"])
def test_environments_killed_in_mid_batch_lose_nothing_that_was_acknowledged(
    api: httpx.Client, ledger: Ledger, function: str
) -> None:
    stop = threading.Event()

    def send() -> None:
        while not stop.is_set():
            ledger.post(api, data={"padding": "x" * 10_000})

    senders = [threading.Thread(target=send) for _ in range(4)]
    for sender in senders:
        sender.start()
    killed = 0
    try:
        for _ in range(5):
            time.sleep(0.5)
            for process in environments_of(function):
                process.kill()
                killed += 1
    finally:
        stop.set()
        for sender in senders:
            sender.join()
    assert killed, f"no environment of {function} was seen"
    ledger.assert_stored_once()
