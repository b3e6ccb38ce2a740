"""What AWS refuses of an event source mapping for Kafka, and what it says where the request says nothing.

Sources: API reference, CreateEventSourceMapping; Lambda developer guide, kafka-scaling-modes,
kafka-retry-configurations, kafka-on-failure, kafka-on-failure-destination, kafka-filtering.
"""

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

from localstack.aws.api.lambda_ import InvalidParameterValueException
from localstack.services.lambda_.provider import LambdaProvider
from localstack.utils.patch import patch

from millrace_harness.mapping import patterns
from millrace_harness.mapping.config import MAX_FILTERS, UNLIMITED

KINDS = ("AmazonManagedKafkaEventSourceConfig", "SelfManagedKafkaEventSourceConfig")
KAFKA_DESTINATION = "kafka://"
POLLERS = {"MinimumPollers": 1, "MaximumPollers": 200}

_RANGES = {
    "BatchSize": (1, 10_000),
    "MaximumBatchingWindowInSeconds": (0, 300),
    "MaximumRetryAttempts": (0, 10_000),
    "MaximumRecordAgeInSeconds": (60, 604_800),
}
_MAY_BE_UNLIMITED = ("MaximumRetryAttempts", "MaximumRecordAgeInSeconds")
_POLLER_RANGES = {"MinimumPollers": (1, 200), "MaximumPollers": (1, 2_000)}
_OF_OTHER_SOURCES = (
    "ParallelizationFactor",
    "TumblingWindowInSeconds",
    "Queues",
    "ScalingConfig",
    "DocumentDBEventSourceConfig",
)


def is_kafka(service: str, mapping: Mapping[str, Any]) -> bool:
    """Whether this is about Kafka: Amazon MSK by its ARN, or a cluster that is named by its brokers."""
    return service == "kafka" or bool(mapping.get("SelfManagedEventSource"))


def install() -> None:
    """Check each request that creates or changes a mapping for Kafka, before anything is kept of it."""

    @patch(LambdaProvider.validate_event_source_mapping)
    def validate(original: Any, self: LambdaProvider, context: Any, request: Mapping[str, Any]) -> Any:
        arn = request.get("EventSourceArn") or ""
        if is_kafka(arn.split(":")[2] if arn.count(":") > 2 else "", request):
            require_valid(request)
        return original(self, context, request)


def defaults(request: Mapping[str, Any], *, identifier: str) -> dict[str, Any]:
    """What AWS answers where the request says nothing."""
    kind = KINDS[bool(request.get("SelfManagedEventSource"))]
    told = {
        "BatchSize": 100,
        "MaximumBatchingWindowInSeconds": 0,
        "StartingPosition": "TRIM_HORIZON",
        "DestinationConfig": {"OnFailure": {}},
        "BisectBatchOnFunctionError": False,
        "MaximumRecordAgeInSeconds": UNLIMITED,
        "MaximumRetryAttempts": UNLIMITED,
        "FunctionResponseTypes": [],
        "LastProcessingResult": "No records processed",
        kind: {"ConsumerGroupId": identifier},
    }
    return told | ({"ProvisionedPollerConfig": POLLERS} if request.get("ProvisionedPollerConfig") else {})


def destination_of(mapping: Mapping[str, Any]) -> str:
    """Where records go that are given up; empty where they go nowhere."""
    return str(((mapping.get("DestinationConfig") or {}).get("OnFailure") or {}).get("Destination") or "")


def require_valid(mapping: Mapping[str, Any]) -> None:
    """Refuse what AWS refuses, and the little that would silently not happen here.

    Raises:
        InvalidParameterValueException: names the parameter.
    """
    for rules in (_ranges, _pollers, _sources, _start, _destination, _filters):
        for fault in rules(mapping):
            raise InvalidParameterValueException(f"For a Kafka event source: {fault}", Type="User")


def _ranges(mapping: Mapping[str, Any]) -> Iterator[str]:
    for name, (least, most) in _RANGES.items():
        value = mapping.get(name)
        if value is None or (value == UNLIMITED and name in _MAY_BE_UNLIMITED):
            continue
        if not least <= value <= most:
            yield f"{name} is {least} to {most}{', or -1' if name in _MAY_BE_UNLIMITED else ''}"


def _pollers(mapping: Mapping[str, Any]) -> Iterator[str]:
    provisioned = mapping.get("ProvisionedPollerConfig")
    if not provisioned:
        for name, asked in _for_provisioned_mode_only(mapping).items():
            if asked:
                yield f"{name} takes a ProvisionedPollerConfig"
        return
    told = POLLERS | {name: value for name, value in provisioned.items() if value is not None}
    for name, (least, most) in _POLLER_RANGES.items():
        if not least <= told[name] <= most:
            yield f"ProvisionedPollerConfig: {name} is {least} to {most}"
    if told["MinimumPollers"] > told["MaximumPollers"]:
        yield "ProvisionedPollerConfig: MaximumPollers is not below MinimumPollers"


def _for_provisioned_mode_only(mapping: Mapping[str, Any]) -> dict[str, bool]:
    return {
        "BisectBatchOnFunctionError": bool(mapping.get("BisectBatchOnFunctionError")),
        "MaximumRetryAttempts": mapping.get("MaximumRetryAttempts") not in (None, UNLIMITED),
        "MaximumRecordAgeInSeconds": mapping.get("MaximumRecordAgeInSeconds") not in (None, UNLIMITED),
        "FunctionResponseTypes": bool(mapping.get("FunctionResponseTypes")),
        "DestinationConfig with a Kafka topic": destination_of(mapping).startswith(KAFKA_DESTINATION),
    }


def _sources(mapping: Mapping[str, Any]) -> Iterator[str]:
    if len(mapping.get("Topics") or ()) != 1:
        yield "Topics holds one topic"
    for name in _OF_OTHER_SOURCES:
        if mapping.get(name):
            yield f"{name} is for other sources"
    for kind in KINDS:
        if (mapping.get(kind) or {}).get("SchemaRegistryConfig"):
            yield "SchemaRegistryConfig is not carried out here"


def _start(mapping: Mapping[str, Any]) -> Iterator[str]:
    position, moment = mapping.get("StartingPosition"), starting_timestamp(mapping)
    if position not in (None, "TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"):
        yield "StartingPosition is TRIM_HORIZON, LATEST or AT_TIMESTAMP"
    if (position == "AT_TIMESTAMP") != (moment is not None):
        yield "StartingPositionTimestamp and the StartingPosition AT_TIMESTAMP come together"
    if moment is not None and moment > time.time():
        yield "StartingPositionTimestamp cannot be in the future"


def starting_timestamp(mapping: Mapping[str, Any]) -> float | None:
    """In seconds since 1970; the API gives a date, a template a number."""
    told = mapping.get("StartingPositionTimestamp")
    if told is None:
        return None
    return float(told.timestamp()) if hasattr(told, "timestamp") else float(told)


def _destination(mapping: Mapping[str, Any]) -> Iterator[str]:
    destination = destination_of(mapping)
    if not destination:
        return
    if destination.startswith(KAFKA_DESTINATION):
        if destination.removeprefix(KAFKA_DESTINATION) in (mapping.get("Topics") or ()):
            yield "DestinationConfig: the topic is the one that is read"
        return
    parts = destination.split(":")
    if len(parts) < 6 or parts[0] != "arn" or parts[2] not in ("s3", "sqs", "sns"):
        yield "DestinationConfig takes an S3 bucket, an SQS queue, an SNS topic or kafka://topic"
    elif destination.endswith(".fifo"):
        yield "DestinationConfig takes a standard queue or topic"


def _filters(mapping: Mapping[str, Any]) -> Iterator[str]:
    filters = (mapping.get("FilterCriteria") or {}).get("Filters") or ()
    if len(filters) > MAX_FILTERS:
        yield f"FilterCriteria holds {MAX_FILTERS} filters at most"
    for one in filters:
        text = one.get("Pattern") or ""
        try:
            patterns.parse(text)
        except ValueError as error:
            yield f"FilterCriteria: {error}"
            return
        if not _only_value(json.loads(text)):
            yield "FilterCriteria: only the value of a record is filtered"


def _only_value(pattern: Mapping[str, Any]) -> bool:
    return all(name == "value" or (name == "$or" and all(map(_only_value, pattern[name]))) for name in pattern)
