"""Connections that are slow, silent or cut, to each part that an event passes: the ledger balances."""

import os
import threading
from collections.abc import Iterator

import pytest

from tests.fixtures.persisting import eventually
from tests.fixtures.rig import Rig
from tests.fixtures.way import Way, a_way, stored_by
from tests.fixtures.wires import Point

pytestmark = pytest.mark.timeout(180)

_EVENTS = 40
_SLOW_SECONDS = 0.3  # longer than a waiter is told, shorter than what a sender and a statement are given


@pytest.fixture
def relayed(rig: Rig) -> Iterator[Way]:
    """A way whose sender and mapping reach Kafka by the relay's address, which is the one that it advertises."""
    with a_way(rig, through_relay=True) as made:
        yield made


def test_a_slow_connection_to_postgresql_stores_all_of_it(way: Way) -> None:
    wire = way.rig.postgres
    with stored_by(way) as calls:
        wire.delay_seconds = _SLOW_SECONDS
        way.send_all(_EVENTS)
        way.assert_balanced()
    assert wire.delayed > 0
    assert calls.failed == 0, calls.logs


def test_a_silent_connection_to_postgresql_buries_nothing_and_all_is_stored_when_it_speaks(way: Way) -> None:
    wire = way.rig.postgres
    with stored_by(way) as calls:
        way.send_all(_EVENTS)
        way.assert_balanced()
        wire.is_silent = True
        way.send_all(_EVENTS)
        eventually(lambda: calls.failed > 0, "persist has met a database that says nothing")
        assert wire.unheard > 0
        assert way.stored() == _EVENTS
        assert way.dead() == 0
        wire.mend()
        way.assert_balanced()


def test_a_connection_to_postgresql_that_is_cut_before_a_transaction_loses_nothing(way: Way) -> None:
    wire = way.rig.postgres
    with stored_by(way):
        wire.stop_next(Point.BEFORE)
        way.send_all(_EVENTS)
        eventually(wire.stopped.is_set, "persist is about to begin its transaction")
        way.rig.background.call(wire.lose)
        way.assert_balanced()
    assert wire.resets > 0


def test_a_connection_to_postgresql_that_is_cut_at_the_answer_to_a_commit_doubles_nothing(way: Way) -> None:
    wire = way.rig.postgres
    with stored_by(way) as calls:
        wire.stop_next(Point.COMMITTED)
        way.send_all(_EVENTS)
        eventually(wire.stopped.is_set, "persist has committed")
        assert way.stored() > 0
        way.rig.background.call(wire.lose)
        way.assert_balanced()
    assert '"duplicate"' in calls.logs


def test_an_answer_to_a_commit_that_never_comes_doubles_nothing(way: Way) -> None:
    wire = way.rig.postgres
    with stored_by(way) as calls:
        wire.stop_next(Point.COMMITTED)
        way.send_all(_EVENTS)
        eventually(wire.stopped.is_set, "persist has committed")
        assert way.stored() > 0
        way.assert_balanced()
    assert '"duplicate"' in calls.logs


def test_a_slow_connection_to_kafka_loses_nothing(relayed: Way) -> None:
    relay = relayed.rig.kafka
    with stored_by(relayed) as calls:
        relayed.send_all(_EVENTS)
        relay.delay_seconds = _SLOW_SECONDS
        relayed.send_all(_EVENTS)
        relayed.assert_balanced()
    assert relay.delayed > 0
    assert calls.failed == 0, calls.logs


def test_a_silent_connection_to_kafka_loses_nothing_that_was_acknowledged(relayed: Way) -> None:
    """It ends in a reset, as where something in between has forgotten it."""
    relay = relayed.rig.kafka
    with stored_by(relayed):
        relayed.send_all(_EVENTS)
        relayed.assert_balanced()
        relay.is_silent = True
        waiting = relayed.events(_EVENTS)
        assert relayed.send(waiting) == waiting
        assert relay.unheard > 0
        relay.is_silent = False
        relayed.rig.background.call(relay.cut)
        relayed.deliver(waiting)
        relayed.assert_balanced(in_order=False)


def test_a_connection_to_kafka_that_is_cut_again_and_again_loses_nothing_that_was_acknowledged(relayed: Way) -> None:
    relay, stop = relayed.rig.kafka, threading.Event()

    def cut() -> None:
        while not stop.wait(_SLOW_SECONDS):
            relayed.rig.background.call(relay.cut)

    cutter = threading.Thread(target=cut)
    with stored_by(relayed):
        cutter.start()
        try:
            for _ in range(_EVENTS):
                relayed.send_all(5)
        finally:
            stop.set()
            cutter.join()
        relayed.assert_balanced(in_order=False)


def test_an_acknowledgement_of_kafkas_that_is_lost_is_sent_again_and_stored_once(relayed: Way) -> None:
    relay = relayed.rig.kafka
    with stored_by(relayed):
        relayed.send_all(_EVENTS)
        relay.lost_answers = 1
        relayed.send_all(_EVENTS)
        assert relay.lost_answers == 0
        relayed.assert_balanced(in_order=False)


def test_a_slow_connection_to_redis_keeps_nothing_from_being_stored(way: Way) -> None:
    wire = way.rig.redis
    with stored_by(way) as calls:
        before = wire.delayed
        wire.delay_seconds = _SLOW_SECONDS
        eventually(lambda: told(way) and wire.delayed > before, "persist has met a Redis that is late")
        way.assert_balanced()
    assert calls.failed == 0, calls.logs


def test_a_silent_connection_to_redis_keeps_nothing_from_being_stored(way: Way) -> None:
    wire = way.rig.redis
    with stored_by(way) as calls:
        before = wire.unheard
        wire.is_silent = True
        eventually(lambda: told(way) and wire.unheard > before, "persist has met a Redis that says nothing")
        way.assert_balanced()
    assert calls.failed == 0, calls.logs


def test_a_connection_to_redis_that_is_cut_keeps_nothing_from_being_stored(way: Way) -> None:
    wire = way.rig.redis
    with stored_by(way) as calls:
        eventually(lambda: told(way) and wire.connections, "persist has a connection to Redis")
        before = wire.resets
        way.rig.background.call(wire.cut)
        assert wire.resets > before
        told(way)
        way.assert_balanced()
    assert calls.failed == 0, calls.logs


def told(way: Way) -> bool:
    """Send events that somebody waits for."""
    way.send_all(_EVENTS, waiter="somebody")
    return True


def test_a_record_of_900_kb_among_small_ones_is_stored_with_them(way: Way) -> None:
    large = f'"{os.urandom(450_000).hex()}"'
    with stored_by(way) as calls:
        way.send_all(_EVENTS)
        for _ in range(7):  # more than one invocation may carry
            way.send_all(1, data=large)
            way.send_all(_EVENTS)
        way.assert_balanced()
    assert calls.failed == 0, calls.logs
    sizes = way.rig.ask("SELECT id FROM events WHERE source = $1 AND length(data::text) > 900000", way.source)
    assert len(sizes) == 7
