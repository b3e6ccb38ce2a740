"""Batches of records, as they are sent."""

import random

from aiokafka.codec import lz4_decode, lz4_encode
from aiokafka.record.default_records import DefaultRecordBatch

from shared.adapters.kafka.producer import Batch

_HEADER_BYTES = 61


def a_batch(*values: bytes) -> Batch:
    """One that is ready to be sent."""
    batch = Batch(0)
    for value in values:
        assert batch.add(b"key", value, 1_772_600_767_000)
    batch.number(7, 3, 11)
    return batch


def test_a_batch_is_compressed_quickly() -> None:
    words = [b"order", b"placed", b"customer", b"amount", b"2026"]
    draw = random.Random(4)  # the same text every time, and no secret
    batch = a_batch(*(b" ".join(draw.choices(words, k=100)) for _ in range(50)))
    records = lz4_decode(batch.content[_HEADER_BYTES:])
    assert batch.content[_HEADER_BYTES:] == lz4_encode(records, level=1)
    assert batch.content[_HEADER_BYTES:] != lz4_encode(records)


def test_a_batch_holds_its_place_in_the_sequence_and_its_records_in_order() -> None:
    found = DefaultRecordBatch(a_batch(b"first", b"second").content)
    assert (found.producer_id, found.producer_epoch, found.base_sequence) == (7, 3, 11)
    assert found.validate_crc()
    assert [(record.key, record.value, record.timestamp) for record in found] == [
        (b"key", b"first", 1_772_600_767_000),
        (b"key", b"second", 1_772_600_767_000),
    ]


def test_a_full_batch_takes_no_more_and_the_first_record_always_fits() -> None:
    batch = Batch(0)
    assert batch.add(b"key", b"x" * 1_000_000, 0)
    assert not batch.add(b"key", b"x", 0)
    assert batch.count == 1
