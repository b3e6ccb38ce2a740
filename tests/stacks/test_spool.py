from typing import Any

from functions.catalog import DRAIN, Objects
from shared.events.objects import PREFIX, UNREADABLE, object_name
from tests.stacks.template import Template, target

BUCKET, QUEUE = "AWS::S3::Bucket", "AWS::SQS::Queue"


def queue_id(template: Template) -> str:
    (found,) = [each for each in template.ids(QUEUE) if template.properties(each).get("QueueName") == "local-spool"]
    return found


def policy_id(template: Template) -> str:
    policies = {each: template.properties(each)["Queues"] for each in template.ids("AWS::SQS::QueuePolicy")}
    (found,) = [each for each, queues in policies.items() if target(queues[0]) == queue_id(template)]
    return found


def allowed(template: Template, function: str) -> dict[str, Any]:
    """What the role of `function` may do in the bucket: resources by action, each the part after the bucket's ARN."""
    (bucket,) = template.ids(BUCKET)
    found: dict[str, Any] = {}
    for statement in template.statements_of_role(target(template.function(function)["Role"])):
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        for action in actions:
            if action.startswith("s3:"):
                assert target(statement["Resource"]) == bucket
                joined = statement["Resource"].get("Fn::Join", ["", [""]])
                found[action] = {*found.get(action, ()), joined[1][-1]}
    return found


def test_an_object_of_the_spool_wakes_drain_through_the_queue(template: Template) -> None:
    queue = queue_id(template)
    (heard,) = template.only(BUCKET)["NotificationConfiguration"]["QueueConfigurations"]
    assert heard["Event"] == "s3:ObjectCreated:*"
    assert target(heard["Queue"]) == queue
    (rule,) = heard["Filter"]["S3Key"]["Rules"]
    assert rule["Name"] == "prefix"
    assert object_name("id").startswith(rule["Value"])
    assert target(template.mapping("local-drain")["EventSourceArn"]) == queue


def test_an_object_that_is_set_aside_wakes_nobody(template: Template) -> None:
    (heard,) = template.only(BUCKET)["NotificationConfiguration"]["QueueConfigurations"]
    assert not UNREADABLE.startswith(heard["Filter"]["S3Key"]["Rules"][0]["Value"])


def test_the_queue_takes_messages_of_the_bucket_before_there_is_a_bucket(template: Template) -> None:
    (bucket,) = template.ids(BUCKET)
    policy = policy_id(template)
    assert policy in template.waits_for(bucket)
    sending = [
        statement
        for statement in template.properties(policy)["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    ]
    assert [(one["Action"], one["Principal"]) for one in sending] == [
        ("sqs:SendMessage", {"Service": "s3.amazonaws.com"})
    ]
    assert sending[0]["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_a_message_that_was_not_done_comes_back_until_the_spool_is_empty(template: Template) -> None:
    assert isinstance(DRAIN.trigger, Objects)
    queue = template.properties(queue_id(template))
    assert queue["VisibilityTimeout"] == DRAIN.trigger.retry_seconds >= DRAIN.timeout_seconds
    assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600
    assert "RedrivePolicy" not in queue
    assert template.mapping("local-drain")["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_no_more_drains_run_at_once_than_the_fewest_that_aws_can_be_told(template: Template) -> None:
    assert template.mapping("local-drain")["ScalingConfig"] == {"MaximumConcurrency": 2}


def test_the_bucket_is_encrypted_private_and_spoken_to_over_tls_only(template: Template) -> None:
    bucket = template.only(BUCKET)
    assert "ServerSideEncryptionConfiguration" in bucket["BucketEncryption"]
    assert all(bucket["PublicAccessBlockConfiguration"].values())
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert "VersioningConfiguration" not in bucket
    for policy in (*template.ids("AWS::S3::BucketPolicy"), *template.ids("AWS::SQS::QueuePolicy")):
        denied = [
            statement["Condition"]
            for statement in template.properties(policy)["PolicyDocument"]["Statement"]
            if statement["Effect"] == "Deny"
        ]
        assert denied == [{"Bool": {"aws:SecureTransport": "false"}}]


def test_what_was_acknowledged_outlives_the_stack_and_only_what_was_set_aside_ends(template: Template) -> None:
    (bucket,) = template.ids(BUCKET)
    resource = template.document["Resources"][bucket]
    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")
    (rule,) = template.only(BUCKET)["LifecycleConfiguration"]["Rules"]
    assert (rule["Status"], rule["Prefix"]) == ("Enabled", UNREADABLE)
    assert rule["ExpirationInDays"] >= 30


def test_ingest_may_put_objects_into_the_spool_and_nothing_else(template: Template) -> None:
    assert allowed(template, "local-ingest") == {"s3:PutObject": {f"/{PREFIX}*"}}


def test_drain_may_empty_the_spool_and_set_objects_aside(template: Template) -> None:
    assert allowed(template, "local-drain") == {
        "s3:GetObject": {f"/{PREFIX}*"},
        "s3:DeleteObject": {f"/{PREFIX}*"},
        "s3:PutObject": {f"/{UNREADABLE}*"},
        "s3:ListBucket": {""},
    }


def test_no_other_function_knows_of_the_spool(template: Template) -> None:
    told = {
        properties["FunctionName"]
        for properties in template.all("AWS::Lambda::Function")
        if "SPOOL_BUCKET" in properties["Environment"]["Variables"]
    }
    assert told == {"local-ingest", "local-drain", "local-jobs"}
    (bucket,) = template.ids(BUCKET)
    for name in told:
        assert target(template.function(name)["Environment"]["Variables"]["SPOOL_BUCKET"]) == bucket
    assert not allowed(template, "local-query")


def test_jobs_may_write_objects_again_without_what_is_erased(template: Template) -> None:
    names = {f"/{PREFIX}*"}
    assert allowed(template, "local-jobs") == {
        "s3:GetObject": names,
        "s3:PutObject": names,
        "s3:DeleteObject": names,
        "s3:ListBucket": {""},
    }
