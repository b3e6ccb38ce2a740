"""`persist` is killed where it hurts most, and one sees that it was there: the ledger still balances."""

import pytest

from tests.fixtures.persisting import eventually
from tests.fixtures.way import Way, stored_by
from tests.fixtures.wires import Point

pytestmark = pytest.mark.timeout(180)

_EVENTS = 40


def test_persist_killed_before_its_transaction_loses_nothing(way: Way) -> None:
    wire = way.rig.postgres
    with stored_by(way) as calls:
        wire.stop_next(Point.BEFORE, calls.freeze)
        way.send_all(_EVENTS)
        eventually(wire.stopped.is_set, "persist is about to begin its transaction")
        assert calls.under_way == 1
        assert way.stored() == 0
        assert way.rig.transactions() == 0
        calls.kill()
        way.assert_balanced()
    assert "Runtime.ExitError" in str(calls.answers)


def test_persist_killed_inside_its_transaction_loses_nothing_and_doubles_nothing(way: Way) -> None:
    with stored_by(way) as calls:
        with way.rig.locked("events"):
            way.send_all(_EVENTS)
            eventually(way.rig.waits_for_lock, "persist is inside its transaction")
            calls.freeze()
            assert calls.under_way == 1
            assert way.rig.waits_for_lock()
            assert way.stored() == 0
            calls.kill()
        way.assert_balanced()


def test_persist_killed_after_its_commit_and_before_its_answer_doubles_nothing(way: Way) -> None:
    wire = way.rig.postgres
    with stored_by(way) as calls:
        wire.stop_next(Point.COMMITTED, calls.freeze)
        way.send_all(_EVENTS)
        eventually(wire.stopped.is_set, "persist has committed")
        before = way.stored()
        assert before > 0
        assert calls.under_way == 1
        calls.kill()
        way.assert_balanced()
        assert before <= way.stored()
    assert '"duplicate"' in calls.logs


def test_persist_killed_while_it_tells_a_waiter_doubles_nothing(way: Way) -> None:
    with stored_by(way) as calls:
        way.rig.redis.watch_for(b"RPUSH", calls.freeze)
        way.send_all(_EVENTS, waiter="somebody")
        eventually(way.rig.redis.seen.is_set, "persist tells a waiter")
        assert way.stored() > 0
        assert calls.under_way == 1
        calls.kill()
        way.assert_balanced()
