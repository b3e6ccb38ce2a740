"""The contract, against a real broker: what a filter lets through, and that the rest counts as done.

Each test is a rule; its docstring names the page of the Lambda developer guide that the rule is from.
"""

import json

from mapping_kit import Function, Produce, committed, eventually, failing, mapping

ONLY_A = json.dumps({"value": {"kind": ["a"]}})
ONLY_B = json.dumps({"value": {"kind": [{"prefix": "b"}]}})
A, B, C = b'{"kind": "a"}', b'{"kind": "b1"}', b'{"kind": "c"}'


def test_records_that_no_filter_fits_do_not_reach_the_function(bootstrap: str, topic: str, produce: Produce) -> None:
    """invocation-eventfiltering: several filters are ORed; a record that fits none is discarded."""
    function = Function()
    produce(0, [A, C, B, C, A])
    with mapping(bootstrap, topic, function, filters=(ONLY_A, ONLY_B), window_seconds=1):
        eventually(lambda: committed(bootstrap, topic, 0) == 5)
    assert function.values(f"{topic}-0") == [A, B, A]


def test_filtered_records_are_committed_without_any_call(bootstrap: str, topic: str, produce: Produce) -> None:
    """invocation-eventfiltering: for Kafka, offsets are committed for matched and unmatched records."""
    function = Function()
    produce(0, [C] * 50)
    with mapping(bootstrap, topic, function, filters=(ONLY_A,)):
        eventually(lambda: committed(bootstrap, topic, 0) == 50)
    assert function.calls == []


def test_filtered_records_behind_a_failing_one_are_not_committed_before_it(
    bootstrap: str, topic: str, produce: Produce
) -> None:
    """invocation-eventfiltering: unmatched records are committed after the function was successfully invoked."""
    function = failing(A)
    produce(0, [C, A, C, C])
    with mapping(bootstrap, topic, function, filters=(ONLY_A,)):
        eventually(lambda: len(function.calls) >= 3)
        assert committed(bootstrap, topic, 0) <= 1


def test_a_value_of_another_format_than_the_filter_is_delivered(bootstrap: str, topic: str, produce: Produce) -> None:
    """kafka-filtering, the table: a plain or undecodable value against a JSON pattern is filtered by metadata only."""
    function = Function()
    produce(0, [b"plain", C, b"\xff\xfe", A])
    with mapping(bootstrap, topic, function, filters=(ONLY_A,), window_seconds=1):
        eventually(lambda: committed(bootstrap, topic, 0) == 4)
    assert function.values(f"{topic}-0") == [b"plain", b"\xff\xfe", A]


def test_a_batch_is_filled_with_what_passes(bootstrap: str, topic: str, produce: Produce) -> None:
    """Own choice: filtered records take no room in a batch."""
    function = Function()
    produce(0, [C, A] * 10)
    with mapping(bootstrap, topic, function, filters=(ONLY_A,), batch_size=5, window_seconds=5):
        eventually(lambda: committed(bootstrap, topic, 0) == 20)
    assert function.batches(f"{topic}-0") == [[A] * 5] * 2
