"""The one vocabulary of metrics: names and units. The deployment reads it, too, so it needs nothing but Python."""

from enum import Enum


class Metric(Enum):
    """A metric by its name, and its unit in CloudWatch's words."""

    CONSUMER_LAG = ("ConsumerLag", "Count")
    RECORDS_LOST = ("RecordsLost", "Count")
    OLDEST_UNPROCESSED_AGE = ("OldestUnprocessedAge", "Seconds")
    TIME_TO_LOSS = ("TimeToLoss", "Seconds")
    DEAD_LETTERS = ("DeadLetters", "Count")
    ACCEPT_TO_STORED_P50 = ("AcceptToStoredP50", "Milliseconds")
    ACCEPT_TO_STORED_P95 = ("AcceptToStoredP95", "Milliseconds")
    ACCEPT_TO_STORED_P99 = ("AcceptToStoredP99", "Milliseconds")
    CONNECTIONS_IN_USE = ("ConnectionsInUse", "Count")
    CONNECTION_BUDGET_USED = ("ConnectionBudgetUsed", "Percent")
    PARTITIONS_AHEAD = ("PartitionsAhead", "Count")
    DEFAULT_PARTITION_ROWS = ("DefaultPartitionRows", "Count")

    @property
    def unit(self) -> str:
        """CloudWatch's word."""
        return str(self.value[1])
