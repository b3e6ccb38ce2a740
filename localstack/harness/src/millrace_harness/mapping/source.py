"""The consumer: records of one topic, as a member of a group, with commits that are only made when asked for."""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Literal, Self, cast

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, KafkaError, KafkaException, Message, TopicPartition

from millrace_harness.mapping.config import MappingConfig
from millrace_harness.mapping.event import Record
from millrace_harness.mapping.start import beginnings, reset_policy

LOG = logging.getLogger(__name__)

SETTINGS = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    # Polled while a call is under way as well, so this only ever ends a poller that hangs.
    "max.poll.interval.ms": 120_000,
    # Only what moves is taken away in a rebalance; the other partitions go on meanwhile.
    "partition.assignment.strategy": "cooperative-sticky",
    "heartbeat.interval.ms": 1_000,
    # Soon back after a broker was away, and soon aware of a topic that is made later.
    "reconnect.backoff.max.ms": 500,
    "topic.metadata.refresh.interval.ms": 5_000,
    "allow.auto.create.topics": False,
    "fetch.error.backoff.ms": 100,
    "queued.max.messages.kbytes": 16_384,
}


class Source:
    """A context manager around the consumer.

    `revoked` is told the partitions that a rebalance takes away, while they can still be committed; `lost` those that
    are gone already. Where its process is killed it holds its partitions for `session_seconds` more. Raises
    `KafkaException` where the client cannot go on; a broker that is away is not such a case.
    """

    def __init__(
        self,
        config: MappingConfig,
        *,
        session_seconds: float,
        revoked: Callable[[set[int]], None],
        lost: Callable[[set[int]], None],
    ) -> None:
        self._config = config
        self._topic = config.topic
        self._revoked = revoked
        self._lost = lost
        self._assigned: set[int] = set()
        self._paused: set[int] = set()
        self._quiet = False
        self._uncommitted: dict[int, int] = {}
        own = {
            "bootstrap.servers": config.bootstrap,
            "group.id": config.consumer_group,
            "session.timeout.ms": int(session_seconds * 1000),
            "auto.offset.reset": reset_policy(config),
        }
        self._consumer = Consumer(SETTINGS | own, logger=LOG)

    def __enter__(self) -> Self:
        self._consumer.subscribe(
            [self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()  # which revokes, and that commits

    def poll(self, seconds: float) -> Record | None:
        """The next record, as soon as there is one; None when `seconds` went by."""
        message = self._consumer.poll(seconds)
        if message is None:
            self._commit_rest()
            return None
        if (error := message.error()) is not None:
            _require_passing(error)
            return None
        return _record(message)

    def pause(self, partitions: set[int]) -> None:
        """Read on from all but these."""
        self._quiet = False
        self._set_paused(partitions & self._assigned)

    def pause_all(self) -> None:
        """Read nothing until `pause` says what; also of partitions that are assigned meanwhile."""
        self._quiet = True
        self._set_paused(set(self._assigned))

    def commit(self, offsets: Mapping[int, int]) -> None:
        """Commit the next offset of each partition; where the broker is away, again when it may be back."""
        self._uncommitted |= offsets
        self._commit_rest()

    def ends(self) -> dict[int, int]:
        """The end of each assigned partition's log, as far as it was told with the last records."""
        known: dict[int, int] = {}
        for partition in self._assigned:
            marks = self._consumer.get_watermark_offsets(TopicPartition(self._topic, partition), cached=True)
            if marks is not None and marks[1] >= 0:
                known[partition] = marks[1]
        return known

    def _set_paused(self, wanted: set[int]) -> None:
        if resumed := self._paused - wanted:
            self._consumer.resume(self._places(resumed))
        if paused := wanted - self._paused:
            self._consumer.pause(self._places(paused))
        self._paused = wanted

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

    def _on_assign(self, consumer: Consumer, assigned: list[TopicPartition]) -> None:
        begun = beginnings(consumer, self._config, assigned)
        for one in assigned:
            one.offset = begun.get(one.partition, one.offset)
        consumer.incremental_assign(assigned)
        self._assigned |= {one.partition for one in assigned}
        if self._quiet:
            self.pause_all()
        self.commit(begun)

    def _on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        numbers = {one.partition for one in partitions}
        self._revoked(numbers)
        self._forget(numbers)

    def _on_lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        numbers = {one.partition for one in partitions}
        self._lost(numbers)
        self._forget(numbers)

    def _forget(self, partitions: set[int]) -> None:
        # The client keeps a pause through a loss: a partition that came back would never be read.
        self._set_paused(self._paused - partitions)
        self._assigned -= partitions
        for partition in partitions:
            self._uncommitted.pop(partition, None)

    def _places(self, partitions: set[int]) -> list[TopicPartition]:
        return [TopicPartition(self._topic, partition) for partition in sorted(partitions)]


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
