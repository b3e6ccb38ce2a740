import json

import pytest

from millrace_harness.mapping import InvokeAnswer
from millrace_harness.mapping.answer import Verdict, read
from millrace_harness.mapping.event import Record, encode_record

BATCH = [
    encode_record(Record(topic="t", partition=partition, offset=offset, timestamp=0))
    for partition, offset in ((0, 10), (0, 11), (1, 20), (1, 21))
]
ALL = {0: 10, 1: 20}


def _failures(*places: tuple[str, object]) -> bytes:
    items = [{"itemIdentifier": {"partition": partition, "offset": offset}} for partition, offset in places]
    return json.dumps({"batchItemFailures": items}).encode()


@pytest.mark.parametrize("payload", [b"", b"null", b"{}", b'{"batchItemFailures": []}', b'{"batchItemFailures": null}'])
def test_an_empty_answer_is_a_success(payload: bytes) -> None:
    assert read(InvokeAnswer(payload), BATCH, item_failures=True) == Verdict({})


def test_a_function_error_fails_the_whole_batch() -> None:
    verdict = read(InvokeAnswer(b'{"errorMessage": "no"}', "Unhandled"), BATCH, item_failures=True)
    assert verdict.retry_from == ALL
    assert verdict.whole
    assert verdict.problem is not None
    assert "no" in verdict.problem


def test_each_partition_is_retried_from_its_lowest_failure_and_the_others_are_done() -> None:
    answer = InvokeAnswer(_failures(("t-1", 21), ("t-1", 20)))
    assert read(answer, BATCH, item_failures=True).retry_from == {1: 20}
    assert not read(answer, BATCH, item_failures=True).whole
    assert read(InvokeAnswer(_failures(("t-0", 11))), BATCH, item_failures=True).retry_from == {0: 11}


@pytest.mark.parametrize(
    "payload",
    [
        b"not JSON",
        b"[]",
        b'"done"',
        b'{"batchItemFailures": 3}',
        b'{"batchItemFailures": [{}]}',
        b'{"batchItemFailures": [{"itemIdentifier": null}]}',
        _failures(("t-0", "11")),
        _failures(("t-0", 12)),
        _failures(("t-2", 10)),
        _failures(("other-0", 10)),
    ],
)
def test_an_answer_that_is_malformed_or_names_a_stranger_fails_the_whole_batch(payload: bytes) -> None:
    verdict = read(InvokeAnswer(payload), BATCH, item_failures=True)
    assert verdict.retry_from == ALL
    assert verdict.whole
    assert verdict.problem


def test_without_item_failures_any_answer_is_a_success() -> None:
    for payload in (b"not JSON", _failures(("t-0", 10))):
        assert read(InvokeAnswer(payload), BATCH, item_failures=False) == Verdict({})
