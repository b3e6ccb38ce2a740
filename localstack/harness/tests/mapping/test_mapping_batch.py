from dataclasses import replace

from millrace_harness.mapping import MappingConfig
from millrace_harness.mapping.batch import Batch
from millrace_harness.mapping.config import MAX_PAYLOAD_BYTES
from millrace_harness.mapping.event import Encoded, Record, encode, encode_record

CONFIG = MappingConfig(
    topic="t", consumer_group="g", bootstrap="b", event_source_arn=None, batch_size=10_000, window_seconds=5
)


def _record(offset: int, size: int) -> Encoded:
    record = Record(topic="t", partition=0, offset=offset, timestamp=0, value=b"x" * size, headers=[("h", b"y" * 100)])
    return encode_record(record)


def test_a_batch_is_full_at_its_number_of_records() -> None:
    batch = Batch(replace(CONFIG, batch_size=2))
    assert batch.add(_record(0, 1))
    assert batch.room == 1
    assert not batch.full
    assert batch.add(_record(1, 1))
    assert batch.room == 0
    assert batch.full
    assert not batch.add(_record(2, 1))
    assert len(batch.records) == 2


def test_a_batch_refuses_the_record_that_would_take_its_event_over_6_mb() -> None:
    batch = Batch(CONFIG)
    offset = 0
    while batch.add(_record(offset, 100_000)):
        offset += 1
    fitting = encode(CONFIG, batch.records)
    over = encode(CONFIG, [*batch.records, _record(offset, 100_000)])
    assert batch.full
    assert len(fitting) <= MAX_PAYLOAD_BYTES < len(over)


def test_a_record_that_is_too_large_by_itself_is_not_held_back_for_ever() -> None:
    batch = Batch(CONFIG)
    assert batch.add(_record(0, MAX_PAYLOAD_BYTES))
    assert not batch.add(_record(1, 1))


def test_the_window_begins_with_the_first_record() -> None:
    moment = [100.0]
    batch = Batch(CONFIG, now=lambda: moment[0])
    moment[0] = 200.0
    assert batch.seconds_left == 5
    batch.add(_record(0, 1))
    moment[0] = 203.0
    batch.add(_record(1, 1))
    assert batch.seconds_left == 2
    moment[0] = 206.0
    assert batch.seconds_left == 0


def test_what_is_dropped_leaves_its_room_and_an_empty_batch_begins_anew() -> None:
    moment = [100.0]
    batch = Batch(replace(CONFIG, batch_size=2), now=lambda: moment[0])
    other = encode_record(Record(topic="t", partition=1, offset=0, timestamp=0))
    batch.add(_record(0, 1))
    batch.add(other)
    batch.drop({0})
    assert not batch.full
    assert batch.records == [other]
    assert batch.room == 1
    batch.drop({1})
    moment[0] = 200.0
    assert batch.seconds_left == 5
    assert not batch.due
