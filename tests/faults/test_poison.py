"""Records that can never be stored: a few of them, and more of them than of all others."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka import Producer

from functions.catalog import FUNCTIONS
from shared.events.topics import DEAD_EVENTS
from tests.fixtures.persisting import Calls, eventually, mapping_of, processes, running
from tests.fixtures.way import Way, stored_by
from tests.fixtures.wires import Point

pytestmark = pytest.mark.timeout(180)

_REFUSED = r'{"text": "\u0000"}'  # JSON, and no jsonb
_NO_EVENT = b"this is no event"
_EVENTS = 200
_SECONDS = 10.0


@contextmanager
def buried(way: Way) -> Iterator[Calls]:
    """`bury` brings dead letters into the rig's database inside the block."""
    (bury,) = (function for function in FUNCTIONS if function.name == "bury")
    settings = {"DATABASE_URL": way.rig.settings()["DATABASE_URL"]}
    with processes(settings, way.rig.folder / "bury", function=bury) as host:
        group = f"bury-{way.topic.name}"
        calls = Calls(host)
        with running(mapping_of(calls, DEAD_EVENTS, bootstrap=way.bootstrap, group=group, function=bury)):
            yield calls


def test_one_record_in_a_hundred_is_poison_and_its_neighbours_are_stored_in_the_same_pass(way: Way) -> None:
    with buried(way), stored_by(way) as calls:
        for number in range(_EVENTS):
            way.send_all(1, data=_REFUSED if number % 100 == 50 else "1")
        producer = Producer({"bootstrap.servers": way.bootstrap})
        producer.produce(way.topic.name, _NO_EVENT, partition=0)
        assert producer.flush(_SECONDS) == 0
        eventually(lambda: len(letters(way)) == 3, "all poison is buried")
        way.assert_balanced(in_order=False)
    assert calls.failed == 0
    assert sum(line["records"] for line in done(calls)) == _EVENTS + 1  # each record was given to persist once
    assert way.stored() == _EVENTS - 2
    found = letters(way)
    assert {letter["value"] for letter in found if letter["event_id"] is None} == {_NO_EVENT}
    assert all(letter["code"] and letter["reason"] for letter in found)


def test_more_than_half_is_poison_and_the_partition_stops_and_says_so_instead_of_flooding(way: Way) -> None:
    events = [
        event
        for number in range(_EVENTS)
        for event in way.events(1, data=_REFUSED if number % 5 < 3 else "1", partition_key="one")
    ]
    way.deliver(events)
    with buried(way):
        with stored_by(way) as calls:
            eventually(lambda: calls.failed > 0, "the partition stops")
            assert "batch.partition_stops" in calls.logs
            written, stored = way.dead(), way.stored()
            seen = calls.failed
            eventually(lambda: calls.failed > seen + 1, "it is tried again, and again")
            assert way.dead() == written
            assert way.stored() == stored
        assert len(letters(way)) < _EVENTS * 3 // 5
        settings = way.rig.settings(MAX_POISON_SHARE="1")
        with processes(settings, way.rig.folder / "patient") as host, stored_by(way, host) as patient:
            way.assert_balanced(in_order=False)
        assert patient.failed == 0
    assert way.stored() == _EVENTS * 2 // 5
    assert len(letters(way)) == _EVENTS * 3 // 5


def test_poison_waits_while_dead_letters_cannot_be_written_and_is_buried_once_when_they_can(way: Way) -> None:
    relay = way.rig.kafka
    settings = way.rig.settings(bootstrap=relay.address)
    with buried(way), processes(settings, way.rig.folder / "silent") as host, stored_by(way, host) as calls:
        relay.is_silent = True
        way.send_all(1, data=_REFUSED)
        eventually(lambda: calls.failed > 0, "the poison cannot be given away")
        assert relay.unheard > 0
        assert way.dead() == 0
        relay.is_silent = False
        way.rig.background.call(relay.cut)
        way.assert_balanced(in_order=False)
    assert len(letters(way)) == 1


def test_persist_killed_when_its_dead_letter_is_written_and_it_has_not_heard_so_buries_it_once(way: Way) -> None:
    relay = way.rig.kafka
    settings = way.rig.settings(bootstrap=relay.address)
    with buried(way), processes(settings, way.rig.folder / "killed") as host, stored_by(way, host) as calls:
        way.send_all(1)
        way.assert_balanced()
        written = threading.Event()

        async def kill() -> None:
            calls.kill()
            written.set()

        relay.before_loss, relay.lost_answers = kill, 1
        way.send_all(1, data=_REFUSED)
        eventually(written.is_set, "the letter is in the log")
        way.assert_balanced(in_order=False)
        assert way.dead() == 2  # the letter was written again, and is the same letter
    assert len(letters(way)) == 1
    assert way.stored() == 1


def test_bury_killed_after_its_commit_and_before_its_answer_buries_a_letter_once(way: Way) -> None:
    wire = way.rig.postgres
    with stored_by(way), buried(way) as calls:
        way.send_all(1)
        way.assert_balanced()
        way.send_all(1, data=_REFUSED)
        eventually(lambda: way.dead() == 1, "the letter is in the log")
        way.assert_balanced(in_order=False)
        wire.stop_next(Point.COMMITTED, calls.freeze)
        producer = Producer({"bootstrap.servers": way.bootstrap})
        producer.produce(way.topic.name, _NO_EVENT, partition=0)
        assert producer.flush(_SECONDS) == 0
        eventually(wire.stopped.is_set, "the letter is in the database")
        assert len(letters(way)) == 2
        calls.kill()
        eventually(lambda: calls.under_way == 0 and calls.answers[-1].error is None, "bury is called again")
    assert calls.failed == 1
    assert len(letters(way)) == 2


def letters(way: Way) -> list[dict[str, object]]:
    """The dead letters of the way's records."""
    sql = "SELECT event_id, value, code, reason FROM dead_letters WHERE topic = $1"
    return [dict(row) for row in way.rig.ask(sql, way.topic.name)]


def done(calls: Calls) -> list[dict[str, int]]:
    """What `persist` said of each batch."""
    lines = [json.loads(line) for line in calls.logs.splitlines() if line.startswith("{")]
    return [line for line in lines if line["message"] == "batch.done"]
