import pytest

from cdk.profiles import Profile
from functions.catalog import FUNCTIONS, Function, Kafka
from tests.stacks.template import Template, target

CONSUMERS = [row for row in FUNCTIONS if isinstance(row.trigger, Kafka)]
TOPICS = {"persist": "events", "bury": "events.dead"}

every_consumer = pytest.mark.parametrize("row", CONSUMERS, ids=lambda row: row.name)


def test_each_topic_has_its_consumer() -> None:
    assert {row.name: row.trigger.topic.name for row in CONSUMERS if isinstance(row.trigger, Kafka)} == TOPICS


@every_consumer
def test_a_consumer_is_started_with_batches_as_the_catalog_says(
    template: Template, profile: Profile, row: Function
) -> None:
    assert isinstance(row.trigger, Kafka)
    mapping = template.mapping(f"local-{row.name}")
    assert mapping["EventSourceArn"] == profile.kafka_cluster_arn
    assert mapping["Topics"] == [TOPICS[row.name]]
    assert mapping["AmazonManagedKafkaEventSourceConfig"] == {"ConsumerGroupId": row.name}
    assert mapping["BatchSize"] == row.trigger.batch_size
    assert mapping["MaximumBatchingWindowInSeconds"] == row.trigger.window_seconds


@every_consumer
def test_a_consumer_starts_at_the_oldest_record_and_never_gives_one_up(template: Template, row: Function) -> None:
    mapping = template.mapping(f"local-{row.name}")
    assert mapping["StartingPosition"] == "TRIM_HORIZON"
    assert mapping["MaximumRetryAttempts"] == -1
    assert "MaximumRecordAgeInSeconds" not in mapping
    assert "DestinationConfig" not in mapping


@every_consumer
def test_a_partial_answer_is_read_because_the_pollers_are_provisioned(
    template: Template, profile: Profile, row: Function
) -> None:
    mapping = template.mapping(f"local-{row.name}")
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ProvisionedPollerConfig"] == {
        "MinimumPollers": profile.pollers.minimum,
        "MaximumPollers": profile.pollers.maximum,
    }


@every_consumer
def test_the_pollers_may_read_one_topic_as_one_group(template: Template, profile: Profile, row: Function) -> None:
    role = target(template.function(f"local-{row.name}")["Role"])
    allowed = {
        action: statement["Resource"]
        for statement in template.statements_of_role(role)
        for action in statement["Action"]
        if action.startswith("kafka-cluster:")
    }
    cluster = profile.kafka_cluster_arn
    assert allowed["kafka-cluster:Connect"] == cluster
    assert allowed["kafka-cluster:ReadData"] == f"{cluster.replace(':cluster/', ':topic/')}/{TOPICS[row.name]}"
    assert allowed["kafka-cluster:AlterGroup"] == f"{cluster.replace(':cluster/', ':group/')}/{row.name}"
    assert not {action for action in allowed if "Write" in action or "Delete" in action or "Create" in action}
