"""Kafka as an event source: from a topic to a function, by LocalStack's own operations."""

import base64
import json
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from plugin_cloud import CLUSTER, Cloud, function_resource, lines, until

KEEP = """
import json, os
def handler(event, context):
    with open(os.environ["EVENTS"], "a") as file:
        file.write(json.dumps(event) + "\\n")
"""
PARTLY = """
import base64
def handler(event, context):
    keep(event, context)
    records = [record for batch in event["records"].values() for record in batch]
    failed = [record for record in records if base64.b64decode(record["value"]) == b"bad" and not flag()]
    identifiers = [{"partition": f"{r['topic']}-{r['partition']}", "offset": r["offset"]} for r in failed[:1]]
    return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in identifiers]}
def flag():
    return os.path.exists(os.environ["EVENTS"] + ".mended")
"""
BAD_FAILS = """
import base64
keep = handler
def handler(event, context):
    keep(event, context)
    for batch in event["records"].values():
        for record in batch:
            if b"bad" in base64.b64decode(record["value"]):
                raise ValueError("no")
"""
NOTHING_YET = "No records processed"

POLLERS = {"MinimumPollers": 1, "MaximumPollers": 2}

type Send = Callable[..., None]


@pytest.fixture
def events(tmp_path: Path) -> Path:
    """Where the function keeps what it was given."""
    return tmp_path / "events.jsonl"


@pytest.fixture
def topic(cloud: Cloud) -> str:
    name = f"t-{uuid.uuid4().hex[:12]}"
    make(cloud, name, partitions=2)
    return name


@pytest.fixture
def send(cloud: Cloud, topic: str) -> Iterator[Send]:
    producer = Producer({"bootstrap.servers": cloud.kafka, "linger.ms": 0})

    def sent(*values: str) -> None:
        for value in values:
            producer.produce(topic, value, key="key", headers={"trace": b"\x01\xff"}, partition=0)
        assert producer.flush(30) == 0

    yield sent
    producer.flush(30)


@pytest.fixture
def mapped(cloud: Cloud) -> Iterator[Callable[..., str]]:
    """Make a mapping, and delete it afterwards."""
    made: list[str] = []

    def create(function: str, topic: str, **settings: Any) -> str:
        source = {} if "SelfManagedEventSource" in settings else {"EventSourceArn": CLUSTER}
        reply = cloud.functions.create_event_source_mapping(FunctionName=function, Topics=[topic], **source, **settings)
        made.append(reply["UUID"])
        return made[-1]

    yield create
    for identifier in made:
        try:
            cloud.functions.delete_event_source_mapping(UUID=identifier)
        except cloud.functions.exceptions.ResourceNotFoundException:
            continue  # the test did it


def values(events: Path) -> list[str]:
    records = [record for event in lines(events) for batch in event["records"].values() for record in batch]
    return [base64.b64decode(record["value"]).decode() for record in records]


def make(cloud: Cloud, topic: str, partitions: int) -> None:
    admin = AdminClient({"bootstrap.servers": cloud.kafka})
    until(lambda: admin.list_topics(timeout=10).brokers)
    for future in admin.create_topics([NewTopic(topic, partitions, 1)]).values():
        future.result(timeout=30)


def first_of(cloud: Cloud, topic: str) -> Any:
    """The first record of a topic."""
    settings = {"bootstrap.servers": cloud.kafka, "group.id": f"reader-{topic}", "auto.offset.reset": "earliest"}
    reader = Consumer(settings)
    reader.subscribe([topic])
    try:
        return until(lambda: next((one for one in reader.consume(1, 1.0) if one.error() is None), None))
    finally:
        reader.close()


def state(cloud: Cloud, mapping: str) -> str:
    return str(cloud.functions.get_event_source_mapping(UUID=mapping)["State"])


def test_records_of_a_cluster_reach_the_function_as_msk_sends_them(
    cloud: Cloud, events: Path, topic: str, send: Send, mapped: Callable[..., str]
) -> None:
    send("before")
    mapped(cloud.function(KEEP, environment={"EVENTS": str(events)}), topic, StartingPosition="TRIM_HORIZON")
    send("after")
    until(lambda: values(events) == ["before", "after"])
    event = lines(events)[0]
    record = event["records"][f"{topic}-0"][0]
    assert (event["eventSource"], event["eventSourceArn"]) == ("aws:kafka", CLUSTER)
    assert (record["topic"], record["partition"], record["offset"]) == (topic, 0, 0)
    assert base64.b64decode(record["key"]) == b"key"
    assert [[byte % 256 for byte in header["trace"]] for header in record["headers"]] == [[1, 255]]


def test_records_of_a_self_managed_cluster_say_so(
    cloud: Cloud, events: Path, topic: str, send: Send, mapped: Callable[..., str]
) -> None:
    source = {"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": [cloud.kafka]}}
    function = cloud.function(KEEP, environment={"EVENTS": str(events)})
    mapped(
        function,
        topic,
        StartingPosition="TRIM_HORIZON",
        SelfManagedEventSource=source,
        SourceAccessConfigurations=[],
    )
    send("one")
    until(lambda: values(events) == ["one"])
    assert lines(events)[0]["eventSource"] == "SelfManagedKafka"
    assert "eventSourceArn" not in lines(events)[0]


def test_a_record_that_failed_is_given_again_and_what_was_done_is_not(
    cloud: Cloud, events: Path, topic: str, send: Send, mapped: Callable[..., str]
) -> None:
    code = KEEP.replace("def handler", "def keep") + PARTLY
    function = cloud.function(code, environment={"EVENTS": str(events)})
    send("good", "bad", "late")
    mapped(
        function,
        topic,
        StartingPosition="TRIM_HORIZON",
        FunctionResponseTypes=["ReportBatchItemFailures"],
        MaximumRetryAttempts=-1,
        ProvisionedPollerConfig=POLLERS,
    )
    until(lambda: values(events).count("bad") >= 2)
    Path(f"{events}.mended").touch()
    send("last")
    until(lambda: values(events)[-1] == "last")
    assert values(events).count("good") == 1
    assert values(events).index("late") > values(events).index("bad")


def test_a_disabled_mapping_waits_and_an_enabled_one_goes_on_from_there(
    cloud: Cloud, events: Path, topic: str, send: Send, mapped: Callable[..., str]
) -> None:
    function = cloud.function(KEEP, environment={"EVENTS": str(events)})
    mapping = mapped(function, topic, StartingPosition="TRIM_HORIZON", BatchSize=1)
    send("one")
    until(lambda: values(events) == ["one"])
    cloud.functions.update_event_source_mapping(UUID=mapping, Enabled=False)
    until(lambda: state(cloud, mapping) == "Disabled")
    other = mapped(function, f"{topic}-other", StartingPosition="TRIM_HORIZON", Enabled=False)
    assert state(cloud, other) == "Disabled"
    send("two")
    cloud.functions.update_event_source_mapping(UUID=mapping, Enabled=True, BatchSize=10)
    until(lambda: values(events) == ["one", "two"])
    found = cloud.functions.get_event_source_mapping(UUID=mapping)
    assert (found["State"], found["BatchSize"]) == ("Enabled", 10)


@pytest.mark.parametrize("enabled", [True, False], ids=["enabled", "disabled"])
def test_a_deleted_mapping_is_gone_and_can_be_made_anew(
    cloud: Cloud, events: Path, topic: str, mapped: Callable[..., str], enabled: bool
) -> None:
    function = cloud.function(KEEP, environment={"EVENTS": str(events)})
    mapping = mapped(function, topic, StartingPosition="LATEST", Enabled=enabled)
    cloud.functions.delete_event_source_mapping(UUID=mapping)
    until(lambda: not cloud.functions.list_event_source_mappings(FunctionName=function)["EventSourceMappings"])
    with pytest.raises(cloud.functions.exceptions.ResourceNotFoundException):
        cloud.functions.get_event_source_mapping(UUID=mapping)
    assert mapped(function, topic, StartingPosition="LATEST") != mapping


def test_a_template_makes_the_mapping_with_all_that_the_cdk_says(
    cloud: Cloud, events: Path, topic: str, send: Send
) -> None:
    properties = {
        "AmazonManagedKafkaEventSourceConfig": {"ConsumerGroupId": f"group-{topic}"},
        "BatchSize": 500,
        "EventSourceArn": CLUSTER,
        "FunctionName": {"Ref": "Function"},
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "MaximumBatchingWindowInSeconds": 0,
        "MaximumRetryAttempts": -1,
        "ProvisionedPollerConfig": {"MaximumPollers": 2, "MinimumPollers": 1},
        "StartingPosition": "TRIM_HORIZON",
        "Topics": [topic],
    }
    resources = {
        "Function": function_resource(KEEP, EVENTS=str(events)),
        "Mapping": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": properties},
    }
    assert cloud.deploy(f"stack-{topic}", resources, {"Id": {"Ref": "Mapping"}}) == "CREATE_COMPLETE"
    found = cloud.functions.get_event_source_mapping(UUID=cloud.outputs(f"stack-{topic}")["Id"])
    told = {name: found[name] for name in properties if name != "FunctionName"}
    assert told == {name: value for name, value in properties.items() if name != "FunctionName"}
    assert found["DestinationConfig"] == {"OnFailure": {}}
    send("one")
    until(lambda: values(events) == ["one"])
    assert cloud.delete(f"stack-{topic}") == "DELETE_COMPLETE"
    with pytest.raises(cloud.functions.exceptions.ResourceNotFoundException):
        cloud.functions.get_event_source_mapping(UUID=found["UUID"])


def test_what_a_template_says_of_errors_and_filters_is_told_and_carried_out(
    cloud: Cloud, events: Path, topic: str, send: Send
) -> None:
    dead = f"{topic}-dead"
    make(cloud, dead, partitions=1)
    began = int(time.time()) - 60
    properties = {
        "BatchSize": 10,
        "BisectBatchOnFunctionError": True,
        "DestinationConfig": {"OnFailure": {"Destination": f"kafka://{dead}"}},
        "EventSourceArn": CLUSTER,
        "FilterCriteria": {"Filters": [{"Pattern": json.dumps({"value": {"kind": [{"prefix": "k"}]}})}]},
        "FunctionName": {"Ref": "Function"},
        "MaximumRecordAgeInSeconds": 3600,
        "MaximumRetryAttempts": 0,
        "ProvisionedPollerConfig": POLLERS,
        "StartingPosition": "AT_TIMESTAMP",
        "StartingPositionTimestamp": began,
        "Topics": [topic],
    }
    resources = {
        "Function": function_resource(KEEP + BAD_FAILS, EVENTS=str(events)),
        "Mapping": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": properties},
    }
    send('{"kind": "k1"}', '{"kind": "other"}', '{"kind": "k-bad"}', '{"kind": "k2"}')
    assert cloud.deploy(f"stack-{topic}", resources, {"Id": {"Ref": "Mapping"}}) == "CREATE_COMPLETE"
    identifier = cloud.outputs(f"stack-{topic}")["Id"]
    found = cloud.functions.get_event_source_mapping(UUID=identifier)
    said = set(properties) - {"FunctionName", "StartingPositionTimestamp"}
    assert {name: found[name] for name in said} == {name: properties[name] for name in said}
    assert found["StartingPositionTimestamp"].timestamp() == began
    until(lambda: '{"kind": "k2"}' in values(events))
    assert '{"kind": "other"}' not in values(events)
    document = json.loads(first_of(cloud, dead).value())
    assert base64.b64decode(document["payload"]["records"][f"{topic}-0"][0]["value"]) == b'{"kind": "k-bad"}'
    assert document["requestContext"]["functionArn"] == found["FunctionArn"]
    assert document["requestContext"]["requestId"]
    assert document["responseContext"] == {
        "statusCode": 200,
        "executedVersion": "$LATEST",
        "functionError": "Unhandled",
    }
    until(lambda: cloud.functions.get_event_source_mapping(UUID=identifier)["LastProcessingResult"] != NOTHING_YET)
    assert cloud.delete(f"stack-{topic}") == "DELETE_COMPLETE"


def test_records_that_are_given_up_are_kept_whole_in_a_bucket(
    cloud: Cloud, events: Path, topic: str, send: Send, mapped: Callable[..., str]
) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=topic)
    function = cloud.function(KEEP + BAD_FAILS, environment={"EVENTS": str(events)})
    send("bad")
    mapping = mapped(
        function,
        topic,
        StartingPosition="TRIM_HORIZON",
        MaximumRetryAttempts=1,
        ProvisionedPollerConfig=POLLERS,
        DestinationConfig={"OnFailure": {"Destination": f"arn:aws:s3:::{topic}"}},
    )
    [kept] = until(lambda: s3.list_objects_v2(Bucket=topic).get("Contents"))
    assert kept["Key"].startswith(f"aws/lambda/{mapping}/{topic}-0/")
    document = json.loads(s3.get_object(Bucket=topic, Key=kept["Key"])["Body"].read())
    assert json.loads(document["payload"]) == lines(events)[-1]
    assert document["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert document["requestContext"]["approximateInvokeCount"] == 2
    assert values(events) == ["bad", "bad"]


@pytest.mark.parametrize("through", ["sqs", "sns"])
def test_a_queue_or_a_notification_tells_which_records_were_given_up(
    cloud: Cloud, events: Path, topic: str, send: Send, mapped: Callable[..., str], through: str
) -> None:
    sqs, sns = cloud.client("sqs"), cloud.client("sns")
    queue = sqs.create_queue(QueueName=topic)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    destination = arn
    if through == "sns":
        destination = sns.create_topic(Name=topic)["TopicArn"]
        sns.subscribe(TopicArn=destination, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    function = cloud.function(KEEP + BAD_FAILS, environment={"EVENTS": str(events)})
    send("bad", "bad too")
    mapped(
        function,
        topic,
        StartingPosition="TRIM_HORIZON",
        MaximumBatchingWindowInSeconds=1,
        MaximumRetryAttempts=0,
        ProvisionedPollerConfig=POLLERS,
        DestinationConfig={"OnFailure": {"Destination": destination}},
    )
    [message] = until(lambda: sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5).get("Messages"))
    document = json.loads(message["Body"])
    assert "payload" not in document
    told = document["KafkaBatchInfo"]
    assert (told["batchSize"], told["eventSourceArn"]) == (2, CLUSTER)
    place = told["recordsInfo"][f"{topic}-0"]
    assert (place["firstRecordOffset"], place["lastRecordOffset"]) == ("0", "1")


def test_a_destination_that_is_made_later_gets_what_was_given_up_before(
    cloud: Cloud, events: Path, topic: str, send: Send, mapped: Callable[..., str]
) -> None:
    sqs = cloud.client("sqs")
    function = cloud.function(KEEP + BAD_FAILS, environment={"EVENTS": str(events)})
    send("bad")
    mapping = mapped(
        function,
        topic,
        StartingPosition="TRIM_HORIZON",
        MaximumRetryAttempts=0,
        ProvisionedPollerConfig=POLLERS,
        DestinationConfig={"OnFailure": {"Destination": f"arn:aws:sqs:us-east-1:000000000000:{topic}"}},
    )
    read = cloud.functions.get_event_source_mapping
    until(lambda: read(UUID=mapping)["LastProcessingResult"].startswith("PROBLEM: the destination"))
    queue = sqs.create_queue(QueueName=topic)["QueueUrl"]
    until(lambda: sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5).get("Messages"))


PROVISIONED = {"ProvisionedPollerConfig": POLLERS}
ARN = "arn:aws:sqs:us-east-1:000000000000:dead"
REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("BatchSize", {"BatchSize": 10_001}),
    ("MaximumBatchingWindowInSeconds", {"MaximumBatchingWindowInSeconds": 301}),
    ("MaximumRetryAttempts", {"MaximumRetryAttempts": 10_001, **PROVISIONED}),
    ("MaximumRecordAgeInSeconds", {"MaximumRecordAgeInSeconds": 59, **PROVISIONED}),
    ("BisectBatchOnFunctionError takes a Prov", {"BisectBatchOnFunctionError": True}),
    ("MaximumRetryAttempts takes a Prov", {"MaximumRetryAttempts": 3}),
    ("MaximumRecordAgeInSeconds takes a Prov", {"MaximumRecordAgeInSeconds": 60}),
    ("FunctionResponseTypes takes a Prov", {"FunctionResponseTypes": ["ReportBatchItemFailures"]}),
    ("Kafka topic takes a Prov", {"DestinationConfig": {"OnFailure": {"Destination": "kafka://dead"}}}),
    ("the one that is read", {"DestinationConfig": {"OnFailure": {"Destination": "kafka://TOPIC"}}, **PROVISIONED}),
    ("DestinationConfig", {"DestinationConfig": {"OnFailure": {"Destination": ARN.replace("sqs", "kinesis")}}}),
    ("standard", {"DestinationConfig": {"OnFailure": {"Destination": ARN + ".fifo"}}}),
    ("MaximumPollers", {"ProvisionedPollerConfig": {"MinimumPollers": 3, "MaximumPollers": 2}}),
    ("MaximumPollers", {"ProvisionedPollerConfig": {"MaximumPollers": 2_001}}),
    ("MinimumPollers", {"ProvisionedPollerConfig": {"MinimumPollers": 201}}),
    ("StartingPositionTimestamp", {"StartingPosition": "AT_TIMESTAMP"}),
    ("StartingPositionTimestamp", {"StartingPositionTimestamp": 1}),
    ("future", {"StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": 4_000_000_000}),
    ("Topics", {"Topics": ["one", "two"]}),
    ("ParallelizationFactor", {"ParallelizationFactor": 2}),
    ("TumblingWindowInSeconds", {"TumblingWindowInSeconds": 2}),
    ("FilterCriteria", {"FilterCriteria": {"Filters": [{"Pattern": "{}"}]}}),
    ("FilterCriteria", {"FilterCriteria": {"Filters": [{"Pattern": '{"value": {"a": [{"like": "b"}]}}'}]}}),
    ("FilterCriteria", {"FilterCriteria": {"Filters": [{"Pattern": '{"key": ["a"]}'}]}}),
    ("FilterCriteria", {"FilterCriteria": {"Filters": [{"Pattern": '{"value": ["a"]}'}] * 6}}),
]


@pytest.fixture(scope="module")
def idle(cloud: Cloud) -> str:
    """A function that nothing is mapped to."""
    return cloud.function(KEEP, environment={"EVENTS": "/dev/null"})


@pytest.mark.parametrize(("why", "asked"), REFUSED, ids=[f"{why}-{number}" for number, (why, _) in enumerate(REFUSED)])
def test_what_aws_refuses_is_refused_by_name(
    cloud: Cloud, idle: str, topic: str, why: str, asked: dict[str, Any]
) -> None:
    told = json.loads(json.dumps(asked).replace("TOPIC", topic))
    request = {"EventSourceArn": CLUSTER, "Topics": [topic], "StartingPosition": "LATEST"} | told
    with pytest.raises(ClientError, match=why):
        cloud.functions.create_event_source_mapping(FunctionName=idle, **request)
    assert not cloud.functions.list_event_source_mappings(FunctionName=idle)["EventSourceMappings"]


def test_a_change_that_aws_refuses_leaves_the_mapping_as_it_was(
    cloud: Cloud, events: Path, topic: str, mapped: Callable[..., str]
) -> None:
    function = cloud.function(KEEP, environment={"EVENTS": str(events)})
    mapping = mapped(function, topic, StartingPosition="LATEST")
    with pytest.raises(ClientError, match="MaximumRecordAgeInSeconds"):
        cloud.functions.update_event_source_mapping(UUID=mapping, MaximumRecordAgeInSeconds=60)
    assert cloud.functions.get_event_source_mapping(UUID=mapping)["MaximumRecordAgeInSeconds"] == -1
    changed = cloud.functions.update_event_source_mapping(
        UUID=mapping, MaximumRecordAgeInSeconds=60, ProvisionedPollerConfig=POLLERS
    )
    assert changed["MaximumRecordAgeInSeconds"] == 60
