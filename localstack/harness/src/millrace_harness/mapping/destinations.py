"""Where records go that the function does not get to do: an S3 bucket, a Kafka topic, an SQS queue, an SNS topic.

The clients of AWS are given, built by whoever has them (boto3's are meant); nothing here imports one.
"""

import json
import threading
from typing import Any, Protocol

from confluent_kafka import KafkaError, Message, Producer

from millrace_harness.mapping.discarded import Discarded

DELIVERY_SECONDS = 20.0


class Destination(Protocol):
    """Takes what is given up. When it returns, that is durable there, and its offsets may be committed."""

    def __call__(self, discarded: Discarded) -> None:
        """Raises whatever it likes where it is not durable: it is asked again, and may get the same twice."""
        ...


class S3Destination:
    """The metadata and the whole event, as one object."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def __call__(self, discarded: Discarded) -> None:
        body = json.dumps(discarded.with_event()).encode()
        self._client.put_object(Bucket=self._bucket, Key=discarded.object_key(), Body=body)


class SqsDestination:
    """The metadata alone, as a message: the records must be read from Kafka while it still has them."""

    def __init__(self, client: Any, queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    def __call__(self, discarded: Discarded) -> None:
        self._client.send_message(QueueUrl=self._queue_url, MessageBody=json.dumps(discarded.metadata()))


class SnsDestination:
    """The metadata alone, as a notification."""

    def __init__(self, client: Any, topic_arn: str) -> None:
        self._client = client
        self._topic_arn = topic_arn

    def __call__(self, discarded: Discarded) -> None:
        self._client.publish(TopicArn=self._topic_arn, Message=json.dumps(discarded.metadata()))


class KafkaDestination:
    """Each record by itself with the metadata, under its own key, in a topic of the same cluster.

    Durable means acknowledged by all in-sync replicas. Where only some are after `seconds`, all are sent again.
    """

    def __init__(self, bootstrap: str, topic: str, *, seconds: float = DELIVERY_SECONDS) -> None:
        self.topic = topic
        self._seconds = seconds
        # One call at a time: another's `flush` would take the reports that this one waits for.
        self._alone = threading.Lock()
        self._producer: Producer | None = None
        self._settings: dict[str, Any] = {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "delivery.timeout.ms": int(seconds * 750),  # so that it says why, before it is waited for no more
            "partitioner": "murmur2_random",
            "allow.auto.create.topics": False,
            # Base64 makes a third more of a record that was just small enough; the broker's limit is on what is packed.
            "compression.type": "zstd",
            "message.max.bytes": 32 * 1024 * 1024,
        }

    def __call__(self, discarded: Discarded) -> None:
        with self._alone:
            self._send(discarded)

    def _send(self, discarded: Discarded) -> None:
        producer = self._producer = self._producer or Producer(self._settings)
        failures: list[KafkaError] = []

        def told(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                failures.append(error)

        for one, document in discarded.one_by_one():
            value = json.dumps(document).encode()
            producer.produce(self.topic, value, key=one.record.key, on_delivery=told)
            producer.poll(0)
        left = producer.flush(self._seconds)
        if failures or left:
            self._producer = None  # a fatal error would outlive this call
            raise RuntimeError(f"{len(failures) + left} records were not acknowledged: {failures[:1]}")
