"""Which figures of the status which metrics are."""

from collections.abc import Iterator

import msgspec

from shared.status.model import ConsumerLag, Status
from shared.status.vocabulary import Metric


class Sample(msgspec.Struct, frozen=True):
    """One figure. `group` is the consumer group that it is about, the only dimension that there is."""

    metric: Metric
    value: float
    group: str | None = None


def samples(status: Status) -> list[Sample]:
    """Every figure that is known. What is not known has no sample: the deployment's alarms ring at silence, too."""
    return [*_of_consumers(status), *_of_storage(status)]


def _of_consumers(status: Status) -> Iterator[Sample]:
    for consumer in status.consumers or ():
        yield from _of_consumer(consumer, status)


def _of_consumer(consumer: ConsumerLag, status: Status) -> Iterator[Sample]:
    yield Sample(Metric.CONSUMER_LAG, consumer.lag, consumer.group)
    yield Sample(Metric.RECORDS_LOST, consumer.lost, consumer.group)
    yield Sample(Metric.OLDEST_UNPROCESSED_AGE, consumer.oldest_age_seconds(status.at) or 0.0, consumer.group)
    if consumer.retention_seconds is not None:
        # Where nothing waits, what comes next has all of the retention before it.
        left = consumer.time_to_loss_seconds(status.at)
        yield Sample(Metric.TIME_TO_LOSS, consumer.retention_seconds if left is None else left, consumer.group)


def _of_storage(status: Status) -> Iterator[Sample]:
    if status.dead_letters is not None:
        yield Sample(Metric.DEAD_LETTERS, status.dead_letters.dead)
    if status.latency is not None:
        measured = {
            Metric.ACCEPT_TO_STORED_P50: status.latency.p50_ms,
            Metric.ACCEPT_TO_STORED_P95: status.latency.p95_ms,
            Metric.ACCEPT_TO_STORED_P99: status.latency.p99_ms,
        }
        yield from (Sample(metric, value) for metric, value in measured.items() if value is not None)
    if status.connections is not None:
        yield Sample(Metric.CONNECTIONS_IN_USE, status.connections.in_use)
        yield Sample(Metric.CONNECTION_BUDGET_USED, 100 * status.connections.in_use / status.connections.budget)
    if status.partitions is not None:
        yield Sample(Metric.PARTITIONS_AHEAD, status.partitions.ahead)
        yield Sample(Metric.DEFAULT_PARTITION_ROWS, status.partitions.default_rows)
