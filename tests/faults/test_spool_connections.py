"""The log is away and the connection to S3 is slow, silent or cut: what was spooled is stored once."""

from collections.abc import Iterator
from dataclasses import dataclass

import boto3
import pytest

from shared.adapters.aws.spool import S3Spool
from shared.adapters.kafka.log import KafkaEventLog
from shared.adapters.memory.admission import MemoryAdmission
from shared.events.drain import Drain, Drained
from shared.events.model import Spooled
from shared.events.outage import SpoolingLog
from shared.kit.clock import SystemClock
from shared.kit.deadline import Deadline
from tests.fixtures.persisting import eventually
from tests.fixtures.way import Way, stored_by
from tests.fixtures.wires import Wire, wire

pytestmark = pytest.mark.timeout(180)

_NOBODY = "127.0.0.1:1"  # a port that nothing listens on: below 1024, and no service's
_EVENTS = 10
_SLOW_SECONDS = 0.3
_APPEND_SECONDS = 5.0
_DRAIN_SECONDS = 30.0


@dataclass
class Spooling:
    """A way whose log is away, with a spool behind it, and what brings the spool back to the log."""

    way: Way
    wire: Wire
    spooling: SpoolingLog
    drain: Drain

    def send(self) -> bool:
        """Send events, and note those that are acknowledged. Whether all were."""
        events = self.way.events(_EVENTS)
        work = self.spooling.append(events, behind=[False] * _EVENTS, within=_APPEND_SECONDS)
        answers = self.way.rig.background.run(work).answers
        spooled = [isinstance(answer, Spooled) for answer in answers]
        self.way.acknowledged += [event.id for event, there in zip(events, spooled, strict=True) if there]
        return all(spooled)

    def drained(self) -> Drained:
        """Bring back what is spooled, as far as that is possible."""
        return self.way.rig.background.run(self.drain(Deadline(_DRAIN_SECONDS)))


@pytest.fixture
def spooling(way: Way, url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Spooling]:
    """One with a bucket of its own."""
    s3 = boto3.client("s3")
    bucket = way.topic.name
    s3.create_bucket(Bucket=bucket)
    loop = way.rig.background
    between = loop.enter(wire(Wire(s3.meta.endpoint_url.removeprefix("http://"))))
    # S3's client takes its endpoint from here when the spool is first used.
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{between.address}")
    spool, backlog = S3Spool(bucket), MemoryAdmission()
    away = KafkaEventLog(_NOBODY, way.topic, client_id="faults", budget_seconds=0.5)
    yield Spooling(way, between, SpoolingLog(away, spool, backlog, SystemClock()), Drain(spool, way.log, backlog))
    between.mend()
    for each in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
        s3.delete_object(Bucket=bucket, Key=each["Key"])
    s3.delete_bucket(Bucket=bucket)


def test_a_slow_connection_to_s3_spools_and_drains_all_of_it(spooling: Spooling) -> None:
    spooling.wire.delay_seconds = _SLOW_SECONDS
    assert spooling.send()
    assert spooling.drained().finished
    assert spooling.wire.delayed > 0
    with stored_by(spooling.way):
        spooling.way.assert_balanced()


def test_a_silent_connection_to_s3_acknowledges_nothing_and_what_was_spooled_before_is_stored_once(
    spooling: Spooling,
) -> None:
    assert spooling.send()
    spooled = list(spooling.way.acknowledged)
    spooling.wire.is_silent = True
    assert not spooling.send()
    assert spooling.way.acknowledged == spooled
    assert not spooling.drained().finished
    spooling.wire.mend()
    eventually(lambda: spooling.drained().finished, "the spool is drained")
    with stored_by(spooling.way):
        spooling.way.assert_balanced()


def test_a_connection_to_s3_that_is_silent_when_what_is_drained_is_removed_doubles_nothing(spooling: Spooling) -> None:
    """The events are in the log by then, and come there once more with the next drain."""
    wire = spooling.wire
    assert spooling.send()

    def hush() -> None:
        wire.is_silent = True

    wire.watch_for(b"?delete", hush)
    assert not spooling.drained().finished
    assert wire.seen.is_set()
    wire.mend()
    eventually(lambda: spooling.drained().events >= _EVENTS, "the events are drained once more")
    with stored_by(spooling.way):
        spooling.way.assert_balanced(in_order=False)


def test_a_connection_to_s3_that_is_cut_while_it_is_used_loses_nothing(spooling: Spooling) -> None:
    wire = spooling.wire
    for word in (b"PUT /", b"GET /", b"?delete"):
        wire.watch_for(word, wire.cut)
        eventually(spooling.send, "events are spooled")
        eventually(lambda: spooling.drained().finished, "the spool is drained")
        assert wire.seen.is_set()
    assert wire.resets >= 3
    with stored_by(spooling.way):
        spooling.way.assert_balanced(in_order=False)
