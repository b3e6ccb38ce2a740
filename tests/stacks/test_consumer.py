from cdk.profiles import Profile
from functions.catalog import PERSIST, Kafka
from tests.stacks.template import Template, target


def test_persist_is_started_with_batches_as_the_catalog_says(template: Template, profile: Profile) -> None:
    assert isinstance(PERSIST.trigger, Kafka)
    mapping = template.mapping("local-persist")
    assert mapping["EventSourceArn"] == profile.kafka_cluster_arn
    assert mapping["Topics"] == ["events"]
    assert mapping["AmazonManagedKafkaEventSourceConfig"] == {"ConsumerGroupId": "persist"}
    assert mapping["BatchSize"] == PERSIST.trigger.batch_size
    assert mapping["MaximumBatchingWindowInSeconds"] == PERSIST.trigger.window_seconds


def test_persist_starts_at_the_oldest_record_and_never_gives_one_up(template: Template) -> None:
    mapping = template.mapping("local-persist")
    assert mapping["StartingPosition"] == "TRIM_HORIZON"
    assert mapping["MaximumRetryAttempts"] == -1
    assert "MaximumRecordAgeInSeconds" not in mapping
    assert "DestinationConfig" not in mapping


def test_a_partial_answer_is_read_because_the_pollers_are_provisioned(template: Template, profile: Profile) -> None:
    mapping = template.mapping("local-persist")
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ProvisionedPollerConfig"] == {
        "MinimumPollers": profile.pollers.minimum,
        "MaximumPollers": profile.pollers.maximum,
    }


def test_the_pollers_may_read_one_topic_as_one_group(template: Template, profile: Profile) -> None:
    role = target(template.function("local-persist")["Role"])
    allowed = {
        action: statement["Resource"]
        for statement in template.statements_of_role(role)
        for action in statement["Action"]
        if action.startswith("kafka-cluster:")
    }
    cluster = profile.kafka_cluster_arn
    assert allowed["kafka-cluster:Connect"] == cluster
    assert allowed["kafka-cluster:ReadData"] == f"{cluster.replace(':cluster/', ':topic/')}/events"
    assert allowed["kafka-cluster:AlterGroup"] == f"{cluster.replace(':cluster/', ':group/')}/persist"
    assert not {action for action in allowed if "Write" in action or "Delete" in action or "Create" in action}
