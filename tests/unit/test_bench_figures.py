"""What the benchmark says of its figures."""

import json
from collections.abc import Iterable

import pytest

from loadtest.cpu.environment import Round
from loadtest.cpu.figures import Figure
from loadtest.cpu.payloads import EVENT_BYTES, Payloads
from loadtest.persist.__main__ import slowest
from loadtest.persist.payloads import PARTITIONS, Records
from shared.events.envelope import decode
from shared.runtime.msk import event_of, records_of


def test_the_best_round_of_both_is_compared() -> None:
    figure = Figure("cpu", "ms", ours=[4.0, 2.0, 9.0], naive=[10.0, 8.0, 30.0], times=4, below=2)
    assert figure.ratio == 4
    assert figure.missed == []
    assert "2 (4)" in figure.line
    assert "8 (10)" in figure.line
    assert "| met " in figure.line


def test_each_goal_that_is_missed_is_told() -> None:
    figure = Figure("cpu", "ms", ours=[3.0], naive=[8.0], times=4, below=2)
    assert figure.missed == ["cpu: 2.7x, meant to be 4x", "cpu: 3 ms, meant to be below 2"]
    assert "| missed |" in figure.line


def test_a_figure_without_a_goal_can_miss_none() -> None:
    figure = Figure("size", "MB", ours=[50.0], naive=[30.0])
    assert figure.missed == []
    assert "missed" not in figure.line
    assert "met" not in figure.line


def test_the_requests_hold_events_of_one_size_that_never_repeat() -> None:
    payloads = Payloads()
    single = [json.loads(json.loads(request)["body"]) for request in payloads.singles(20)]
    batch = [json.loads(json.loads(request)["body"]) for request in payloads.batches(2, 30)]
    events = single + [event for body in batch for event in body["events"]]
    assert {len(json.dumps(event)) for event in events} == {EVENT_BYTES}
    assert len({event["id"] for event in events}) == len(events) == 80


def test_the_records_of_both_consumers_hold_the_same_clients_events() -> None:
    ours, naive = (Records().batches(2, 60), Records().naive_batches(2, 60))
    events = [decode(record.value) for batch in ours for record in records_of(event_of(batch))]
    twins = [json.loads(record.value or b"")["event"] for batch in naive for record in records_of(event_of(batch))]
    assert [event.subject for event in events] == [event["subject"] for event in twins]
    assert [json.loads(bytes(event.data)) for event in events] == [event["data"] for event in twins]
    assert len({event.key for event in events}) == 120


def test_the_records_follow_one_another_in_each_partition() -> None:
    batches = Records().batches(3, 60)
    places = [(record.partition, record.offset) for batch in batches for record in records_of(event_of(batch))]
    for partition in range(PARTITIONS):
        assert [offset for number, offset in places if number == partition] == list(range(1, 16))


def test_the_slowest_in_a_hundred_is_told_from_all_rounds() -> None:
    rounds = [a_round(number / 1000 for number in range(first, first + 100)) for first in (0, 100)]
    assert slowest(rounds, calls=100) == pytest.approx(197)


def a_round(seconds: Iterable[float]) -> Round:
    return Round(0.0, 0.0, 0.0, sorted(seconds), {}, 0, "", 0.0, 0.0)
