"""How far consumer groups are behind, asked of the brokers."""

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from shared.kit.errors import Unavailable
from shared.status.model import Consumer, ConsumerLag, PartitionLag

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer, TopicPartition
    from aiokafka.admin import AIOKafkaAdminClient

# While a broker is away aiokafka writes a line at every attempt to reach it. Who asks is told once.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

_BUDGET_SECONDS = 3.5
_REQUEST_MS = 1_500
_PAUSE_SECONDS = 0.1
_FETCH_BYTES = 65_536  # of a partition; its first record comes in any case, however large it is
_RETENTION = "retention.ms"


class KafkaFigures:
    """LogFigures over the brokers' own answers.

    Asked once a minute, or when somebody looks: it connects for each question and keeps nothing, so there is nothing
    that may have died meanwhile. aiokafka costs a function that only looks 30 ms of its start: imported at the first
    question.
    """

    def __init__(self, bootstrap: str, *, client_id: str, budget_seconds: float = _BUDGET_SECONDS) -> None:
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._budget_seconds = budget_seconds

    async def lag(self, consumers: Sequence[Consumer]) -> list[ConsumerLag]:
        from aiokafka.errors import KafkaError

        try:
            async with asyncio.timeout(self._budget_seconds):
                return await self._lag(consumers)
        except (KafkaError, OSError, TimeoutError) as error:
            raise Unavailable("No broker tells how far consumers are.", retry_after_seconds=2) from error

    async def _lag(self, consumers: Sequence[Consumer]) -> list[ConsumerLag]:
        from aiokafka import AIOKafkaConsumer
        from aiokafka.admin import AIOKafkaAdminClient

        options: dict[str, Any] = {
            "bootstrap_servers": self._bootstrap,
            "client_id": self._client_id,
            "request_timeout_ms": _REQUEST_MS,
        }
        async with AsyncExitStack() as stack:
            admin = AIOKafkaAdminClient(**options)
            stack.push_async_callback(admin.close)
            # What expires between two questions is asked for in vain. Then the next one that is there is the oldest;
            # by default it would be waited for one that is still to come.
            reader = AIOKafkaConsumer(
                **options, group_id=None, auto_offset_reset="earliest", max_partition_fetch_bytes=_FETCH_BYTES
            )
            stack.push_async_callback(reader.stop)
            await asyncio.gather(admin.start(), reader.start())
            retention = await _retention(admin, consumers)
            return [await _lag_of(consumer, admin, reader, retention) for consumer in consumers]


async def _lag_of(
    consumer: Consumer, admin: "AIOKafkaAdminClient", reader: "AIOKafkaConsumer", retention: Mapping[str, float | None]
) -> ConsumerLag:
    from aiokafka import TopicPartition

    name = consumer.topic.name
    places = [TopicPartition(name, number) for number in range(consumer.topic.partitions)]
    # The end last: what is done by then is not behind it.
    committed = await _committed(admin, consumer.group)
    first = await reader.beginning_offsets(places)
    end = await reader.end_offsets(places)
    offsets = {place: committed[place].offset if place in committed else -1 for place in places}
    next_ = {place: max(offsets[place], first[place]) for place in places}
    moments = await _moments(reader, {place: next_[place] for place in places if next_[place] < end[place]})
    partitions = [
        PartitionLag(
            partition=place.partition,
            done=max(offsets[place], 0),
            end=end[place],
            lag=max(0, end[place] - next_[place]),
            lost=first[place] - offsets[place] if 0 <= offsets[place] < first[place] else 0,
            oldest_at=moments.get(place),
        )
        for place in places
    ]
    return ConsumerLag(group=consumer.group, topic=name, retention_seconds=retention[name], partitions=partitions)


async def _committed(admin: "AIOKafkaAdminClient", group: str) -> dict[Any, Any]:
    from aiokafka.errors import KafkaError

    while True:
        try:
            return dict(await admin.list_consumer_group_offsets(group))
        except KafkaError as error:
            if not error.retriable:
                raise
            await asyncio.sleep(_PAUSE_SECONDS)  # the group's coordinator is being chosen, or moves


async def _moments(
    reader: "AIOKafkaConsumer", waiting: Mapping["TopicPartition", int]
) -> dict["TopicPartition", datetime]:
    """The timestamp of the first record at or after each offset."""
    found: dict[TopicPartition, datetime] = {}
    if not waiting:
        return found
    reader.assign(list(waiting))
    for place, offset in waiting.items():
        reader.seek(place, offset)
    while missing := [place for place in waiting if place not in found]:
        for place, records in (await reader.getmany(*missing, timeout_ms=_REQUEST_MS)).items():
            found[place] = datetime.fromtimestamp(records[0].timestamp / 1000, UTC)
            reader.pause(place)
    return found


async def _retention(admin: "AIOKafkaAdminClient", consumers: Sequence[Consumer]) -> dict[str, float | None]:
    from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
    from aiokafka.errors import for_code

    names = {consumer.topic.name for consumer in consumers}
    asked = [ConfigResource(ConfigResourceType.TOPIC, name, configs={_RETENTION: None}) for name in names]
    found: dict[str, float | None] = {}
    for answer in await admin.describe_configs(asked):
        for code, _, _, name, entries in answer.resources:
            if code:
                raise for_code(code)
            found[name] = _seconds(next(_values(entries)))
    return found


def _values(entries: Sequence[Sequence[object]]) -> Iterator[int]:
    return (int(str(entry[1])) for entry in entries if entry[0] == _RETENTION)


def _seconds(milliseconds: int) -> float | None:
    return None if milliseconds < 0 else milliseconds / 1000
