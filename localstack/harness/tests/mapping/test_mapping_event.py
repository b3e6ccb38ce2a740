import json
from dataclasses import replace

import pytest

from millrace_harness.mapping import MappingConfig
from millrace_harness.mapping.event import Record, added_size, empty_size, encode, encode_record

MSK = MappingConfig(
    topic="t", consumer_group="g", bootstrap="b:1,b:2", event_source_arn="arn:aws:kafka:x:1:cluster/c/d"
)
SELF_MANAGED = MappingConfig(topic="t", consumer_group="g", bootstrap="b:1", event_source_arn=None)


def _record(partition: int, offset: int, value: bytes | None = b"v") -> Record:
    return Record(topic="t", partition=partition, offset=offset, timestamp=7, value=value)


def test_an_event_of_msk_has_the_shape_that_aws_documents() -> None:
    record = Record(
        topic="t",
        partition=1,
        offset=15,
        timestamp=1545084650987,
        key=b"k",
        value=b"hello",
        headers=[("h", b"\x00\x7f\x80\xff"), ("empty", None)],
    )
    assert json.loads(encode(MSK, [encode_record(record)])) == {
        "eventSource": "aws:kafka",
        "eventSourceArn": "arn:aws:kafka:x:1:cluster/c/d",
        "bootstrapServers": "b:1,b:2",
        "records": {
            "t-1": [
                {
                    "topic": "t",
                    "partition": 1,
                    "offset": 15,
                    "timestamp": 1545084650987,
                    "timestampType": "CREATE_TIME",
                    "key": "aw==",
                    "value": "aGVsbG8=",
                    "headers": [{"h": [0, 127, -128, -1]}, {"empty": []}],
                }
            ]
        },
    }


def test_an_event_of_self_managed_kafka_has_no_arn() -> None:
    event = json.loads(encode(SELF_MANAGED, [encode_record(_record(0, 0, None))]))
    assert event["eventSource"] == "SelfManagedKafka"
    assert "eventSourceArn" not in event
    assert event["records"]["t-0"][0]["value"] is None


def test_records_are_grouped_by_partition_in_the_order_given() -> None:
    records = [_record(1, 5), _record(0, 9), _record(1, 6)]
    event = json.loads(encode(MSK, map(encode_record, records)))
    offsets = {place: [record["offset"] for record in group] for place, group in event["records"].items()}
    assert offsets == {"t-1": [5, 6], "t-0": [9]}


def test_the_size_is_told_beforehand_and_never_too_small() -> None:
    records = [encode_record(_record(number % 3, number, b"x" * number)) for number in range(30)]
    seen: set[int] = set()
    told = empty_size(MSK)
    for one in records:
        told += added_size(one, first_of_partition=one.record.partition not in seen)
        seen.add(one.record.partition)
    assert len(encode(MSK, records)) <= told <= len(encode(MSK, records)) + len(records)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("batch_size", [0, 10_001]),
        ("window_seconds", [-1, 301]),
        ("maximum_retries", [-2, 10_001]),
        ("maximum_record_age_seconds", [-2, 0, 59, 604_801]),
        ("minimum_pollers", [0, 201]),
        ("maximum_pollers", [0, 2_001]),
        ("starting_position", ["EARLIEST"]),
        ("starting_timestamp", [1.0]),
        ("filters", [('{"value": ["a"]}',) * 6]),
    ],
)
def test_what_aws_does_not_allow_is_refused_by_name(field: str, values: list[object]) -> None:
    told = {"topic": "t", "consumer_group": "g", "bootstrap": "b", "event_source_arn": None}
    for value in values:
        with pytest.raises(ValueError, match=field):
            MappingConfig(**told | {field: value})  # type: ignore[arg-type]


def test_a_starting_time_and_its_position_come_together_and_a_filter_must_be_one() -> None:
    with pytest.raises(ValueError, match="starting_timestamp"):
        replace(MSK, starting_position="AT_TIMESTAMP")
    assert replace(MSK, starting_position="AT_TIMESTAMP", starting_timestamp=1.0).starting_timestamp == 1.0
    with pytest.raises(ValueError, match="operator"):
        replace(MSK, filters=('{"value": [{"like": "a"}]}',))
