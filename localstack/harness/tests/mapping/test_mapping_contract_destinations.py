"""The contract, against a real broker: where records go that are given up.

Each test is a rule; its docstring names the page of the Lambda developer guide that the rule is from.
"""

import json
import re
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import Producer
from mapping_kit import FAILED, Function, Produce, all_records, committed, eventually, failing, item_failures, mapping

from millrace_harness.mapping import (
    Discarded,
    InvokeAnswer,
    KafkaDestination,
    Pace,
    S3Destination,
    SnsDestination,
    SqsDestination,
)

CLUSTER = "arn:aws:kafka:eu-central-1:000000000000:cluster/one/6f5c3d2e-0000-4000-8000-000000000000-1"
MAPPING = "5c4f6a3e-0000-4000-8000-000000000000"


class Client:
    """Stands where a client of boto3 does: keeps what it is asked to send."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def put_object(self, **asked: Any) -> None:
        self.asked.append(asked)

    send_message = publish = put_object


def test_sqs_and_sns_get_the_metadata_in_the_documented_shape(bootstrap: str, topic: str, produce: Produce) -> None:
    """kafka-on-failure, "SNS and SQS example invocation record"."""
    client = Client()
    produce(0, [b"0", b"1", b"2"])
    produce(1, [b"3"])
    payloads: list[bytes] = []

    def invoke(payload: bytes) -> InvokeAnswer:
        payloads.append(payload)
        return FAILED

    with mapping(
        bootstrap,
        topic,
        invoke,
        SqsDestination(client, "https://queue"),
        event_source_arn=CLUSTER,
        maximum_retries=1,
        window_seconds=2,
    ):
        eventually(lambda: committed(bootstrap, topic, 0) == 3 and committed(bootstrap, topic, 1) == 1)
    [asked] = client.asked
    assert asked["QueueUrl"] == "https://queue"
    document = json.loads(asked["MessageBody"])
    moment = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
    assert moment.fullmatch(document.pop("timestamp"))
    places = document["KafkaBatchInfo"].pop("recordsInfo")
    assert document == {
        "requestContext": {
            "requestId": "request-1",
            "functionArn": "arn:aws:lambda:eu-central-1:000000000000:function:one",
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 2,
        },
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "version": "1.0",
        "KafkaBatchInfo": {
            "batchSize": 4,
            "eventSourceArn": CLUSTER,
            "bootstrapServers": bootstrap,
            "payloadSize": len(payloads[-1]),
        },
    }
    offsets = {place: (told["firstRecordOffset"], told["lastRecordOffset"]) for place, told in places.items()}
    assert offsets == {f"{topic}-0": ("0", "2"), f"{topic}-1": ("0", "0")}
    for told in places.values():
        assert moment.fullmatch(told["firstRecordTimestamp"])
        assert moment.fullmatch(told["lastRecordTimestamp"])
    SnsDestination(client, "arn:aws:sns:eu-central-1:0:t")(_discarded(bootstrap, topic, produce))
    assert json.loads(client.asked[-1]["Message"]).keys() == {*document, "timestamp"}


def _discarded(bootstrap: str, topic: str, produce: Produce) -> Discarded:
    lost: list[Discarded] = []
    produce(0, [b"again"])
    with mapping(bootstrap, topic, lambda _: FAILED, lost.append, maximum_retries=0):
        eventually(lambda: bool(lost))
    return lost[0]


def test_s3_gets_the_whole_event_under_a_key_of_the_documented_form(
    bootstrap: str, topic: str, produce: Produce
) -> None:
    """kafka-on-failure, "S3 destination example invocation record"; the key: kinesis-on-failure-destination."""
    client, function = Client(), failing(b"bad")
    produce(1, [b"bad", b"beside"])
    with mapping(bootstrap, topic, function, S3Destination(client, "bucket"), maximum_retries=0, window_seconds=1):
        eventually(lambda: committed(bootstrap, topic, 1) == 2)
    [asked] = client.asked
    assert asked["Bucket"] == "bucket"
    assert re.fullmatch(
        rf"aws/lambda/{MAPPING}/{topic}-1/\d{{4}}/\d\d/\d\d/\d{{4}}-\d\d-\d\dT\d\d\.\d\d\.\d\d-[0-9a-f-]{{36}}",
        asked["Key"],
    )
    document = json.loads(asked["Body"])
    assert json.loads(document["payload"]) == function.events[-1]
    assert document["KafkaBatchInfo"]["recordsInfo"].keys() == {f"{topic}-1"}


def test_a_topic_gets_each_record_whole_and_under_its_own_key(
    bootstrap: str, topic: str, make_topic: Callable[..., str]
) -> None:
    """kafka-on-failure-destination, "Record format for a Kafka destination" and "Partition key behavior"."""
    dead = make_topic(3)
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0})
    for key, value in ((b"one", b"1"), (None, b"2"), (b"three", None)):
        producer.produce(topic, value, key=key, partition=0, headers={"trace": b"\x01\xff"})
    assert producer.flush(30) == 0
    with mapping(
        bootstrap, topic, lambda _: FAILED, KafkaDestination(bootstrap, dead), maximum_retries=0, window_seconds=1
    ):
        eventually(lambda: committed(bootstrap, topic, 0) == 3)
    found = {
        json.loads(one.value())["KafkaBatchInfo"]["recordInfo"]["offset"]: one
        for one in all_records(bootstrap, dead, 3)
    }
    assert {offset: one.key() for offset, one in found.items()} == {"0": b"one", "1": None, "2": b"three"}
    document = json.loads(found["0"].value())
    assert document["KafkaBatchInfo"]["batchSize"] == 1
    assert document["requestContext"]["condition"] == "RetryAttemptsExhausted"
    [record] = document["payload"]["records"][f"{topic}-0"]
    assert (record["key"], record["value"], record["headers"]) == ("b25l", "MQ==", [{"trace": [1, -1]}])
    assert json.loads(found["2"].value())["payload"]["records"][f"{topic}-0"][0]["value"] is None


def test_a_record_that_was_just_small_enough_fits_the_topic_for_what_is_given_up(
    bootstrap: str, topic: str, make_topic: Callable[..., str], produce: Produce
) -> None:
    """Own choice: packed, because base64 would make it larger than the brokers' usual limit."""
    dead = make_topic(1)
    produce(0, [bytes(range(256)) * 3_600])
    with mapping(bootstrap, topic, lambda _: FAILED, KafkaDestination(bootstrap, dead), maximum_retries=0):
        eventually(lambda: committed(bootstrap, topic, 0) == 1)
    assert len(all_records(bootstrap, dead, 1)[0].value()) > 1_200_000


def test_with_a_destination_unlimited_retries_are_ten(bootstrap: str, topic: str, produce: Produce) -> None:
    """kafka-on-failure-destination: infinite retries and a destination make a maximum of 10 retry attempts."""
    function, lost = failing(b"bad"), list[Discarded]()
    produce(0, [b"bad"])
    with mapping(bootstrap, topic, function, lost.append, pace=Pace(retry_seconds=0.2)):
        eventually(lambda: committed(bootstrap, topic, 0) == 1)
    assert len(function.calls) == 11
    assert [one.invocations for one in lost] == [11]


def test_a_destination_that_is_away_is_waited_for_and_nothing_is_committed_before(
    bootstrap: str, topic: str, produce: Produce
) -> None:
    """invocation-eventsourcemapping: at least once. What is neither done nor kept elsewhere stays where it is."""
    back, kept, asked = threading.Event(), list[Discarded](), list[float]()

    def destination(discarded: Discarded) -> None:
        asked.append(time.monotonic())
        if not back.is_set():
            raise ConnectionError("away")
        kept.append(discarded)

    function = failing(b"bad")
    produce(0, [b"bad", b"behind"])
    with mapping(bootstrap, topic, function, destination, maximum_retries=0, batch_size=1) as one:
        eventually(lambda: len(asked) >= 3)
        produce(1, [b"free"])
        eventually(lambda: committed(bootstrap, topic, 1) == 1)
        assert committed(bootstrap, topic, 0) <= 0
        assert "destination" in one.last_result or one.last_result == "OK"
        back.set()
        eventually(lambda: committed(bootstrap, topic, 0) == 2)
    assert function.values(f"{topic}-0") == [b"bad", b"behind"]
    assert [record.record.value for discarded in kept for record in discarded.records] == [b"bad"]


def test_a_destination_topic_that_is_missing_is_waited_for(
    bootstrap: str, topic: str, produce: Produce, make_topic: Callable[..., str]
) -> None:
    """kafka-on-failure-destination: the topic must exist; until it does nothing is committed."""
    destination = KafkaDestination(bootstrap, "missing", seconds=2)
    produce(0, [b"bad"])
    with mapping(bootstrap, topic, failing(b"bad"), destination, maximum_retries=0) as one:
        eventually(lambda: "destination" in one.last_result)
        assert committed(bootstrap, topic, 0) <= 0
        destination.topic = make_topic(1)
        eventually(lambda: committed(bootstrap, topic, 0) == 1)
    assert len(all_records(bootstrap, destination.topic, 1)) == 1


def test_of_a_partial_answer_only_the_rest_is_given_up(bootstrap: str, topic: str, produce: Produce) -> None:
    """kafka-retry-configurations, partial batch response: what the function did is no failure."""
    lost: list[Discarded] = []
    function = Function(lambda call: item_failures((f"{topic}-0", 1)) if b"1" in call[f"{topic}-0"] else FAILED)
    produce(0, [b"0", b"1", b"2"])
    options = {"report_batch_item_failures": True, "maximum_retries": 1, "window_seconds": 1}
    with mapping(bootstrap, topic, function, lost.append, **options):
        eventually(lambda: committed(bootstrap, topic, 0) == 3)
    assert [record.record.value for discarded in lost for record in discarded.records] == [b"1", b"2"]
    assert lost[0].metadata()["responseContext"]["functionError"] is None


def test_a_destination_is_not_the_topic_that_is_read(bootstrap: str, topic: str) -> None:
    """kafka-on-failure-destination, "No recursion"."""
    with (
        pytest.raises(ValueError, match="must not be the topic"),
        mapping(bootstrap, topic, Function(), KafkaDestination(bootstrap, topic)),
    ):
        raise AssertionError("it was taken")
