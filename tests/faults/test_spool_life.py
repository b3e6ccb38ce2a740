"""Kafka is stopped for half a minute under load: every event that was acknowledged is stored once, in its order."""

import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from uuid import uuid4

import httpx
import pytest

from millrace_harness.parts.supervisor import Stack
from tests.fixtures.deployment import Ledger, SpoolBucket, away, read_back

pytestmark = pytest.mark.timeout(400)

AWAY_SECONDS = 30.0
BEFORE_SECONDS = AFTER_SECONDS = 5.0
SENDERS = 4
PAUSE_SECONDS = 0.1
ANSWER_SECONDS = 10.0  # the function's own end; two seconds of it are for the log, once an environment
DRAINED_SECONDS = 120.0  # a drain that has failed comes back after 30 s


@dataclass
class Sender:
    """Sends events of one key, one after the other, and keeps what was answered."""

    api: httpx.Client
    ledger: Ledger
    key: str = field(default_factory=lambda: f"key-{uuid4()}")
    answers: Counter[str] = field(default_factory=Counter)
    in_order: list[str] = field(default_factory=list)
    spooled: list[str] = field(default_factory=list)
    slowest_seconds: float = 0.0

    def run(self, stop: threading.Event) -> None:
        """Until `stop`."""
        while not stop.wait(PAUSE_SECONDS):
            started = time.monotonic()
            response = self.ledger.post(self.api, key=self.key)
            self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - started)
            answer = response.json()
            status = str(answer["status"])  # that of the event, or of the problem
            self.answers[status] += 1
            if response.status_code == httpx.codes.ACCEPTED and not answer.get("overtakes"):
                self.in_order.append(answer["id"])
            if status == "spooled":
                self.spooled.append(answer["id"])


def test_kafka_stopped_for_half_a_minute_under_load_costs_no_acknowledged_event_and_no_order(
    api: httpx.Client, parts: Stack, ledger: Ledger, spool: SpoolBucket, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ledger.post(api).status_code == 202
    senders, stop = [Sender(api, ledger) for _ in range(SENDERS)], threading.Event()
    threads = [threading.Thread(target=sender.run, args=(stop,)) for sender in senders]
    for thread in threads:
        thread.start()
    try:
        time.sleep(BEFORE_SECONDS)
        with away(parts, "kafka"):
            time.sleep(AWAY_SECONDS)
        back = time.monotonic()
        time.sleep(AFTER_SECONDS)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    spool.wait_until_empty(DRAINED_SECONDS)
    drained = time.monotonic() - back
    ledger.assert_stored_once()
    answers = sum((sender.answers for sender in senders), Counter[str]())
    slowest = max(sender.slowest_seconds for sender in senders)
    with capsys.disabled():
        sys.stdout.write(
            f"\nKafka away for {AWAY_SECONDS:.0f} s under load: {dict(answers)}, "
            f"the slowest answer after {slowest:.1f} s; {len(ledger.acknowledged)} acknowledged and stored once; "
            f"the spool empty {drained:.1f} s after Kafka was back\n"
        )
    assert answers.keys() <= {"accepted", "spooled", "503"}
    assert answers["spooled"] > AWAY_SECONDS, "the spool was hardly used, so nothing is proven"
    assert slowest < ANSWER_SECONDS
    places = ledger.places()
    for sender in senders:
        found = [places[id_] for id_ in sender.in_order]
        assert len({partition for partition, _ in found}) == 1
        assert found == sorted(found), "an event overtook an older one of its key, and nobody was told"
        timeline = read_back(api, sender.spooled[0])["timeline"]
        assert [entry["state"] for entry in timeline] == ["accepted", "spooled", "stored"]


def test_an_event_that_was_spooled_is_a_duplicate_when_it_is_sent_again(
    api: httpx.Client, parts: Stack, ledger: Ledger, spool: SpoolBucket
) -> None:
    assert ledger.post(api).status_code == 202
    with away(parts, "kafka"):
        first = ledger.post(api, source="urn:test")
        assert (first.status_code, first.json()["status"]) == (202, "spooled")
        again = api.post("/v1/events", json={"type": "t", "source": "urn:test", "id": first.json()["id"], "data": 2})
        assert (again.status_code, again.json()["status"]) == (202, "duplicate")
        assert api.get("/health/ready").status_code == 503
    spool.wait_until_empty(DRAINED_SECONDS)
    ledger.assert_stored_once()
    assert read_back(api, first.json()["id"])["data"] == {"id": first.json()["id"]}
