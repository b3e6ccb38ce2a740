"""Kafka as an event source of Lambda: LocalStack's hooks, filled with the mapping of the harness."""

import os
from collections.abc import Mapping
from typing import Any

from botocore.config import Config
from localstack.aws.api.lambda_ import InvalidParameterValueException
from localstack.aws.connect import connect_to
from localstack.services.lambda_.event_source_mapping.esm_worker import EsmWorker
from localstack.services.lambda_.event_source_mapping.event_processor import EventProcessor
from localstack.services.lambda_.event_source_mapping.pollers.poller import Poller
from localstack.utils.aws.arns import parse_arn
from localstack.utils.patch import patch

from millrace_harness.mapping import EventSourceMapping, InvokeAnswer, MappingConfig

INVOKE_SECONDS = 905  # a function's longest, and some
KINDS = ("AmazonManagedKafkaEventSourceConfig", "SelfManagedKafkaEventSourceConfig")
UNLIMITED = -1


def is_kafka(service: str, mapping: Mapping[str, Any]) -> bool:
    """Whether this is about Kafka: Amazon MSK by its ARN, or a cluster that is named by its brokers."""
    return service == "kafka" or bool(mapping.get("SelfManagedEventSource"))


def defaults(request: Mapping[str, Any], *, identifier: str) -> dict[str, Any]:
    """What AWS answers where the request says nothing (API reference, CreateEventSourceMapping).

    Raises:
        InvalidParameterValueException: it asks for something that is not carried out here.
    """
    require_supported(request)
    kind = KINDS[bool(request.get("SelfManagedEventSource"))]
    return {
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


def require_supported(mapping: Mapping[str, Any]) -> None:
    """Refuse what would silently not happen.

    Raises:
        InvalidParameterValueException: names the parameter.
    """
    destination = ((mapping.get("DestinationConfig") or {}).get("OnFailure") or {}).get("Destination")
    unsupported = {
        "FilterCriteria": (mapping.get("FilterCriteria") or {}).get("Filters"),
        "DestinationConfig": destination,
        "BisectBatchOnFunctionError": mapping.get("BisectBatchOnFunctionError"),
        "MaximumRecordAgeInSeconds": mapping.get("MaximumRecordAgeInSeconds") not in (None, UNLIMITED),
        "StartingPosition AT_TIMESTAMP": mapping.get("StartingPosition") == "AT_TIMESTAMP",
        "Topics (one is needed)": len(mapping.get("Topics") or ()) != 1,
    }
    for name, asked in unsupported.items():
        if asked:
            raise InvalidParameterValueException(f"Not carried out here for a Kafka event source: {name}", Type="User")


def forget_deleted() -> None:
    """Let a mapping that is deleted while it is disabled be gone: LocalStack keeps it, and refuses another like it."""

    @patch(EsmWorker.delete)
    def delete(original: Any, self: EsmWorker) -> None:
        original(self)
        if not self.enabled:  # no poller runs, which would do it at its end
            self.delete_esm_in_store()


class KafkaPoller(Poller):
    """LocalStack's worker around one mapping, which polls on a thread of its own."""

    def __init__(self, mapping: Mapping[str, Any], processor: EventProcessor) -> None:
        # Without the ARN, for which the base class would look for an AWS client.
        super().__init__(processor=processor)
        require_supported(mapping)
        self._managed = bool(mapping.get("EventSourceArn"))
        function: str = mapping["FunctionArn"]
        once = Config(read_timeout=INVOKE_SECONDS, retries={"total_max_attempts": 1}, tcp_keepalive=True)
        client = connect_to(region_name=parse_arn(function)["region"], config=once).lambda_

        def invoke(payload: bytes) -> InvokeAnswer:
            reply = client.invoke(FunctionName=function, Payload=payload)
            return InvokeAnswer(payload=reply["Payload"].read(), error=reply.get("FunctionError"))

        self._mapping = EventSourceMapping(_config(mapping), invoke)
        self._started = False

    def event_source(self) -> str:
        """As the event says it."""
        return "aws:kafka" if self._managed else "SelfManagedKafka"

    def poll_events(self) -> None:
        """Called again and again while the mapping is enabled: the first call starts it."""
        if not self._started:
            self._mapping.start()
            self._started = True

    def close(self) -> None:
        """Called when it is disabled, changed or deleted."""
        if self._started:
            self._mapping.stop()


def _config(mapping: Mapping[str, Any]) -> MappingConfig:
    group = next((mapping[kind]["ConsumerGroupId"] for kind in KINDS if mapping.get(kind)), mapping["UUID"])
    return MappingConfig(
        topic=mapping["Topics"][0],
        consumer_group=group,
        bootstrap=_bootstrap(mapping),
        event_source_arn=mapping.get("EventSourceArn"),
        batch_size=int(mapping["BatchSize"]),
        window_seconds=float(mapping["MaximumBatchingWindowInSeconds"]),
        starting_position=mapping["StartingPosition"],
        maximum_retries=int(mapping["MaximumRetryAttempts"]),
        report_batch_item_failures="ReportBatchItemFailures" in mapping["FunctionResponseTypes"],
    )


def _bootstrap(mapping: Mapping[str, Any]) -> str:
    """Its own brokers; behind any MSK cluster's ARN stands the one Kafka of this machine."""
    endpoints = (mapping.get("SelfManagedEventSource") or {}).get("Endpoints") or {}
    return ",".join(endpoints.get("KAFKA_BOOTSTRAP_SERVERS") or [os.environ["MILLRACE_KAFKA_BOOTSTRAP"]])
