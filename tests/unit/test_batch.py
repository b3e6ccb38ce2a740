"""A Kafka batch as a Lambda function sees it."""

import json
from binascii import a2b_base64
from collections.abc import Sequence
from typing import Any

import pytest

from shared.events.envelope import decode
from shared.events.model import Outcome, RawRecord
from shared.runtime.batch import batch_handler, first_unfinished
from shared.runtime.msk import answer, event_of, records_of
from tests.fixtures.persist import PersistRoom
from tests.fixtures.samples import sample


def records(*places: tuple[int, int]) -> list[RawRecord]:
    return [RawRecord("events", partition, offset, b"") for partition, offset in places]


def failure(partition: int, offset: int) -> dict[str, Any]:
    return {"itemIdentifier": {"partition": f"events-{partition}", "offset": offset}}


def test_records_are_decoded_in_the_order_given() -> None:
    found = records_of(sample("msk.json"))
    places = [(record.topic, record.partition, record.offset) for record in found]
    assert places == [("events", *place) for place in [(0, 15), (0, 16), (3, 7), (3, 8), (3, 9), (11, 0)]]


def test_values_are_decoded_and_a_tombstone_has_none() -> None:
    values = [record.value for record in records_of(sample("msk.json"))]
    assert values[3] is None
    assert [decode(value).id for value in values if value] == ["order-1", "order-4", "order-2", "order-8", "order-3"]


def test_a_record_without_a_value_is_a_tombstone() -> None:
    event = sample("msk.json")
    del event["records"]["events-11"][0]["value"]
    assert records_of(event)[-1].value is None


def test_keys_and_timestamps_are_decoded() -> None:
    event = sample("msk.json")
    given = [record for records in event["records"].values() for record in records]
    found = records_of(event)
    assert [record.timestamp_ms for record in found] == [record["timestamp"] for record in given]
    assert [record.key for record in found] == [record["key"] and a2b_base64(record["key"]) for record in given]
    assert any(record.key for record in found)


def test_the_json_of_an_event_is_read_as_the_same_records() -> None:
    event = sample("msk.json")
    assert records_of(event_of(json.dumps(event).encode())) == records_of(event)


def test_a_batch_that_is_done_has_an_empty_answer() -> None:
    assert answer([]) == {"batchItemFailures": []}


def test_each_partition_waits_at_its_first_record_that_is_not_done() -> None:
    batch = records((0, 1), (0, 2), (0, 3), (1, 7), (1, 8), (2, 5))
    away = Outcome.UNAVAILABLE
    outcomes = [Outcome.STORED, away, away, Outcome.DUPLICATE, Outcome.STORED, away]
    assert first_unfinished(batch, outcomes) == [batch[1], batch[5]]


def test_a_record_that_was_stored_behind_one_that_waits_comes_again() -> None:
    batch = records((0, 1), (0, 2))
    assert first_unfinished(batch, [Outcome.UNAVAILABLE, Outcome.STORED]) == [batch[0]]


def test_a_record_that_was_taken_out_is_done() -> None:
    assert first_unfinished(records((0, 1), (0, 2)), [Outcome.INVALID, Outcome.STORED]) == []


def test_outcomes_that_are_missing_are_an_error() -> None:
    with pytest.raises(ValueError, match="shorter"):
        first_unfinished(records((0, 1), (0, 2)), [Outcome.STORED])


def test_a_handler_answers_for_a_whole_event() -> None:
    room = PersistRoom()
    room.dead.away = True
    assert batch_handler(room.persist)(sample("msk.json"), None) == {"batchItemFailures": [failure(3, 8)]}
    room.dead.away = False
    assert batch_handler(room.persist)(sample("msk.json"), None) == {"batchItemFailures": []}
    assert [letter.offset for letter in room.dead.letters] == [8]


def test_a_handler_can_be_called_again() -> None:
    handler = batch_handler(PersistRoom().persist)
    assert handler(sample("msk.json"), None) == handler(sample("msk.json"), None)


def test_a_handler_whose_storage_is_away_finishes_nothing() -> None:
    room = PersistRoom()
    room.store.away = True
    failures = batch_handler(room.persist)(sample("msk.json"), None)["batchItemFailures"]
    assert failures == [failure(0, 15), failure(3, 7), failure(11, 0)]


def test_an_error_that_nobody_foresaw_fails_the_batch() -> None:
    async def broken(batch: Sequence[RawRecord]) -> list[Outcome]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        batch_handler(broken)(sample("msk.json"), None)
