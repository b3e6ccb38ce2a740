"""The consumer: records of one topic, as a member of a group, with commits that are only made when asked for."""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Literal, Self, cast

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, KafkaError, KafkaException, Message, TopicPartition

from millrace_harness.mapping.config import MappingConfig
from millrace_harness.mapping.event import Encoded, Record, encode_record

LOG = logging.getLogger(__name__)

SETTINGS = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    # A call may take as long as the longest function, and nothing is polled meanwhile.
    "max.poll.interval.ms": 3_600_000,
    # A member whose process was killed holds its partitions for so long; a broker takes no less than 6 s.
    "session.timeout.ms": 10_000,
    "heartbeat.interval.ms": 1_000,
    # Soon back after a broker was away, and soon aware of a topic that is made later.
    "reconnect.backoff.max.ms": 500,
    "topic.metadata.refresh.interval.ms": 5_000,
    "allow.auto.create.topics": False,
    "fetch.error.backoff.ms": 100,
    "queued.max.messages.kbytes": 16_384,
}


class Source:
    """A context manager around the consumer. `lost` is told which partitions were taken away by a rebalance.

    Raises `KafkaException` where the client cannot go on; a broker that is away is not such a case.
    """

    def __init__(self, config: MappingConfig, *, lost: Callable[[list[int]], None]) -> None:
        self._topic = config.topic
        self._lost = lost
        self._uncommitted: dict[int, int] = {}
        reset = {"TRIM_HORIZON": "earliest", "LATEST": "latest"}[config.starting_position]
        own = {"bootstrap.servers": config.bootstrap, "group.id": config.consumer_group, "auto.offset.reset": reset}
        self._consumer = Consumer(SETTINGS | own, logger=LOG)

    def __enter__(self) -> Self:
        self._consumer.subscribe([self._topic], on_revoke=self._on_gone, on_lost=self._on_gone)
        return self

    def __exit__(self, *_: object) -> None:
        self._commit_rest()
        self._consumer.close()

    def poll(self, seconds: float) -> Encoded | None:
        """The next record, as soon as there is one; None when `seconds` went by."""
        message = self._consumer.poll(seconds)
        if message is None:
            self._commit_rest()
            return None
        if (error := message.error()) is not None:
            _require_passing(error)
            return None
        return encode_record(_record(message))

    def pause(self, partition: int) -> None:
        """Read no more of it, until `resume`."""
        self._consumer.pause([TopicPartition(self._topic, partition)])

    def resume(self, partition: int, offset: int) -> None:
        """Read on from `offset`. After the resume, because a pause keeps its own place to go on from."""
        self._consumer.resume([TopicPartition(self._topic, partition)])
        self._consumer.seek(TopicPartition(self._topic, partition, offset))

    def commit(self, offsets: Mapping[int, int]) -> None:
        """Commit the next offset of each partition; where the broker is away, again when it may be back."""
        self._uncommitted |= offsets
        self._commit_rest()

    def _commit_rest(self) -> None:
        if not self._uncommitted:
            return
        wanted = [TopicPartition(self._topic, partition, offset) for partition, offset in self._uncommitted.items()]
        try:
            self._consumer.commit(offsets=wanted, asynchronous=False)
        except KafkaException as error:
            LOG.warning("%s: not committed yet: %s", self._topic, error)
            return
        self._uncommitted.clear()

    def _on_gone(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        numbers = [partition.partition for partition in partitions]
        for number in numbers:
            self._uncommitted.pop(number, None)
        self._lost(numbers)


def _require_passing(error: KafkaError) -> None:
    if error.fatal():
        raise KafkaException(error)
    LOG.debug("Kafka: %s", error)


def _headers(message: Message) -> list[tuple[str, bytes | None]]:
    listed = cast(Iterable[tuple[str, str | bytes | None]], message.headers() or [])
    return [(name, value.encode() if isinstance(value, str) else value) for name, value in listed]


def _record(message: Message) -> Record:
    kind, timestamp = message.timestamp()
    type_: Literal["CREATE_TIME", "LOG_APPEND_TIME"] = (
        "LOG_APPEND_TIME" if kind == TIMESTAMP_LOG_APPEND_TIME else "CREATE_TIME"
    )
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    return Record(
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp=timestamp,
        timestamp_type=type_,
        key=message.key(),
        value=message.value(),
        headers=_headers(message),
    )
