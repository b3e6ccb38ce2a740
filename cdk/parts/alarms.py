"""Alarms on what `maintain` publishes: what ends in a loss, or in slow storage, unless somebody comes."""

import aws_cdk as core
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from cdk.parts.environment import NAMESPACE
from cdk.profiles import Profile
from functions.catalog import FUNCTIONS, MAINTAIN, Kafka
from shared.status.vocabulary import Metric

_MINUTES = 3  # runs in a row: one may be late, or meet an event whose day it makes in the next
_HOUR_SECONDS = 3600
_LEAST_AHEAD = 3  # of the seven that `maintain` makes


class Alarms(Construct):
    """One for each figure, named `{stage}-…`; a figure that is not told rings as a bad one does.

    Whom they tell is the deployment's own: they have no actions.
    """

    def __init__(self, scope: Construct, *, profile: Profile) -> None:
        super().__init__(scope, "Alarms")
        self._profile = profile
        more, less = (
            cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
        )
        self._ring(Metric.DEFAULT_PARTITION_ROWS, more, 0)
        self._ring(Metric.PARTITIONS_AHEAD, less, _LEAST_AHEAD)
        for trigger in (row.trigger for row in FUNCTIONS if isinstance(row.trigger, Kafka)):
            # A quarter of what the topic keeps is left to mend what keeps its consumer.
            left = trigger.topic.retention_hours * _HOUR_SECONDS / 4
            self._ring(Metric.TIME_TO_LOSS, less, left, group=trigger.consumer_group)

    def _ring(
        self, metric: Metric, than: cloudwatch.ComparisonOperator, threshold: float, *, group: str | None = None
    ) -> None:
        name, _ = metric.value
        dimensions = {"service": MAINTAIN.name} | ({"group": group} if group else {})
        figure = cloudwatch.Metric(
            namespace=NAMESPACE,
            metric_name=name,
            dimensions_map=dimensions,
            statistic=cloudwatch.Stats.MAXIMUM,
            period=core.Duration.minutes(1),
        )
        cloudwatch.Alarm(
            self,
            f"{name}{(group or '').capitalize()}",
            alarm_name="-".join(filter(None, (self._profile.name, name, group))),
            metric=figure,
            comparison_operator=than,
            threshold=threshold,
            evaluation_periods=_MINUTES,
            treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
        )
