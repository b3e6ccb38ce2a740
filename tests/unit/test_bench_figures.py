"""What the benchmark says of its figures."""

import json

from loadtest.cpu.figures import Figure
from loadtest.cpu.payloads import EVENT_BYTES, Payloads


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
