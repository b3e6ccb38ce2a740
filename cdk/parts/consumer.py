"""Kafka to a function: the event source mapping, and the rights that its pollers use."""

import aws_cdk as core
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as sources

from cdk.profiles import Profile
from functions.catalog import Kafka

_FOR_EVER = -1
_ON_CLUSTER = ("kafka-cluster:Connect", "kafka-cluster:DescribeClusterDynamicConfiguration")
_ON_TOPIC = ("kafka-cluster:DescribeTopic", "kafka-cluster:DescribeTopicDynamicConfiguration", "kafka-cluster:ReadData")
_ON_GROUP = ("kafka-cluster:DescribeGroup", "kafka-cluster:AlterGroup")


def consume(function: lambda_.Function, trigger: Kafka, profile: Profile) -> None:
    """Start `function` with batches of the trigger's topic.

    From the oldest record on, for as long as it takes: a record that fails is tried until it works, so nothing is
    dropped and what must be buried the function buries itself. Provisioned pollers, because only they read a partial
    answer. The mapping's construct also attaches AWS' managed `AWSLambdaMSKExecutionRole` (MSK lookups, network
    interfaces, logs, on any resource): AWS offers no narrower one, and the pollers do not start without its actions.
    """
    function.add_event_source(
        sources.ManagedKafkaEventSource(
            cluster_arn=profile.kafka_cluster_arn,
            topic=trigger.topic.name,
            consumer_group_id=trigger.consumer_group,
            starting_position=lambda_.StartingPosition.TRIM_HORIZON,
            batch_size=trigger.batch_size,
            max_batching_window=core.Duration.seconds(trigger.window_seconds),
            retry_attempts=_FOR_EVER,
            report_batch_item_failures=True,
            provisioned_poller_config=sources.ProvisionedPollerConfig(
                minimum_pollers=profile.pollers.minimum, maximum_pollers=profile.pollers.maximum
            ),
        )
    )
    _allow_reading(function, trigger, profile.kafka_cluster_arn)


def _allow_reading(function: lambda_.Function, trigger: Kafka, cluster: str) -> None:
    """Kafka's own rights under IAM access control, which the mapping's construct leaves out."""
    topic = f"{cluster.replace(':cluster/', ':topic/')}/{trigger.topic.name}"
    group = f"{cluster.replace(':cluster/', ':group/')}/{trigger.consumer_group}"
    for actions, resource in ((_ON_CLUSTER, cluster), (_ON_TOPIC, topic), (_ON_GROUP, group)):
        function.add_to_role_policy(iam.PolicyStatement(actions=list(actions), resources=[resource]))
