"""Kafka as an event source: from a topic to a function, by LocalStack's own operations."""

import base64
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from confluent_kafka import Producer
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

type Send = Callable[..., None]


@pytest.fixture
def events(tmp_path: Path) -> Path:
    """Where the function keeps what it was given."""
    return tmp_path / "events.jsonl"


@pytest.fixture
def topic(cloud: Cloud) -> str:
    name = f"t-{uuid.uuid4().hex[:12]}"
    admin = AdminClient({"bootstrap.servers": cloud.kafka})
    until(lambda: admin.list_topics(timeout=10).brokers)
    for future in admin.create_topics([NewTopic(name, num_partitions=2, replication_factor=1)]).values():
        future.result(timeout=30)
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


@pytest.mark.parametrize(
    "asked",
    [
        {"BisectBatchOnFunctionError": True},
        {"FilterCriteria": {"Filters": [{"Pattern": '{"value": ["x"]}'}]}},
        {"DestinationConfig": {"OnFailure": {"Destination": "arn:aws:sqs:us-east-1:000000000000:dead"}}},
        {"MaximumRecordAgeInSeconds": 60},
    ],
    ids=lambda asked: next(iter(asked)),
)
def test_what_is_not_carried_out_is_refused(cloud: Cloud, topic: str, asked: dict[str, Any]) -> None:
    function = cloud.function(KEEP, environment={"EVENTS": "/dev/null"})
    with pytest.raises(ClientError, match=next(iter(asked))):
        cloud.functions.create_event_source_mapping(
            FunctionName=function, EventSourceArn=CLUSTER, Topics=[topic], StartingPosition="LATEST", **asked
        )
