"""Where a consumer group begins that has committed nothing yet.

Source: Lambda developer guide, "Polling and stream starting positions" for Kafka event sources.
"""

from collections.abc import Iterable

from confluent_kafka import Consumer, TopicPartition

from millrace_harness.mapping.config import MappingConfig

LOOKUP_SECONDS = 10.0


def reset_policy(config: MappingConfig) -> str:
    """What the client does where a committed offset is gone from the log, and where `TRIM_HORIZON` finds none."""
    return "latest" if config.starting_position == "LATEST" else "earliest"


def beginnings(consumer: Consumer, config: MappingConfig, assigned: Iterable[TopicPartition]) -> dict[int, int]:
    """The offset to begin at, for each partition of which nothing is committed.

    They are to be committed at once. Were `LATEST` asked for again after a rebalance or a kill, what came meanwhile
    would be passed over. `TRIM_HORIZON` needs none of it.

    Raises:
        KafkaException: the broker did not answer.
    """
    if config.starting_position == "TRIM_HORIZON":
        return {}
    committed = consumer.committed(list(assigned), LOOKUP_SECONDS)
    return {one.partition: _beginning(consumer, config, one) for one in committed if one.offset < 0}


def _beginning(consumer: Consumer, config: MappingConfig, one: TopicPartition) -> int:
    # The end first: what is written between the two questions is at or behind it, and young enough.
    _, end = consumer.get_watermark_offsets(one, LOOKUP_SECONDS)
    if config.starting_timestamp is None:
        return end
    asked = TopicPartition(one.topic, one.partition, int(config.starting_timestamp * 1000))
    [found] = consumer.offsets_for_times([asked], LOOKUP_SECONDS)
    return found.offset if found.offset >= 0 else end
