"""Three brokers, of which one is killed under load and comes back."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from millrace_harness.parts.kafka import Kafka
from millrace_harness.parts.ledger import Ledger
from millrace_harness.parts.paths import Paths
from shared.adapters.kafka.log import KafkaEventLog
from shared.adapters.kafka.topics import create_topics
from shared.events.topics import DEAD_EVENTS, Topic
from tests.fixtures.load import load
from tests.fixtures.persisting import eventually, processes
from tests.fixtures.rig import Rig
from tests.fixtures.way import PARTITIONS, Way, stored_by

pytestmark = pytest.mark.timeout(300)

_BROKERS = 3
_A_FEW = 20
_GONE_SECONDS = 10.0


@pytest.fixture
def three(rig: Rig, tmp_path: Path) -> Iterator[Kafka]:
    """Brokers of the test's own, which end with it."""
    paths = Paths(rig.parts.paths.checkout, tmp_path, rig.parts.paths.cache)
    kafka = Kafka("kafka", paths, Ledger(tmp_path), brokers=_BROKERS)
    kafka.start()
    try:
        kafka.wait()
        yield kafka
    finally:
        kafka.discard()


def test_one_of_three_brokers_killed_under_load_loses_nothing_that_was_acknowledged(rig: Rig, three: Kafka) -> None:
    topic = Topic("events", partitions=PARTITIONS, retention_hours=24)
    rig.background.run(create_topics(three.bootstrap, [topic, DEAD_EVENTS], replication=_BROKERS))
    log = KafkaEventLog(three.bootstrap, topic, client_id="faults")
    way = Way(rig, topic, log, three.bootstrap, "persist")
    try:
        with processes(rig.settings(bootstrap=three.bootstrap), rig.folder / "three") as host, stored_by(way, host):
            with load(way):
                eventually(lambda: way.stored() > _A_FEW, "events are stored")
                killed = three.ledger.process(three.names[1])
                assert killed is not None
                killed.stop(signal.SIGKILL, grace_seconds=_GONE_SECONDS)
                assert not killed.alive
                before = len(way.acknowledged)
                eventually(lambda: len(way.acknowledged) > before + 5 * _A_FEW, "two brokers acknowledge by themselves")
                stored = way.stored()
                eventually(lambda: way.stored() > stored, "events are stored from two brokers")
                assert not killed.alive
                three.start()
                three.wait()
            way.assert_balanced(in_order=False)
    finally:
        rig.background.run(log.close())
