"""Kafka as an event source of Lambda: LocalStack's hooks, filled with the mapping of the harness."""

import os
from collections.abc import Mapping
from typing import Any

from botocore.config import Config
from localstack.aws.connect import connect_to
from localstack.services.lambda_.event_source_mapping.esm_worker import EsmWorker
from localstack.services.lambda_.event_source_mapping.event_processor import EventProcessor
from localstack.services.lambda_.event_source_mapping.pollers.poller import Poller
from localstack.services.lambda_.invocation.models import lambda_stores
from localstack.utils.aws.arns import parse_arn
from localstack.utils.patch import patch

from millrace_harness.mapping import (
    Destination,
    Discarded,
    EventSourceMapping,
    InvokeAnswer,
    KafkaDestination,
    MappingConfig,
    S3Destination,
    SnsDestination,
    SqsDestination,
)
from millrace_localstack.kafka_rules import KAFKA_DESTINATION, KINDS, POLLERS, destination_of, starting_timestamp

INVOKE_SECONDS = 905  # a function's longest, and some
SEND_SECONDS = 20
WITHOUT_PROVISIONED_MODE = {"MinimumPollers": 1, "MaximumPollers": 1}


def forget_deleted() -> None:
    """Let a mapping that is deleted while it is disabled be gone: LocalStack keeps it, and refuses another like it."""

    @patch(EsmWorker.delete)
    def delete(original: Any, self: EsmWorker) -> None:
        original(self)
        if not self.enabled:  # no poller runs, which would do it at its end
            self.delete_esm_in_store()


class KafkaPoller(Poller):
    """LocalStack's worker around one mapping, which polls on threads of its own."""

    def __init__(self, mapping: Mapping[str, Any], processor: EventProcessor) -> None:
        # Without the ARN, for which the base class would look for an AWS client.
        super().__init__(processor=processor)
        self._managed = bool(mapping.get("EventSourceArn"))
        self._identifier: str = mapping["UUID"]
        function: str = mapping["FunctionArn"]
        parsed = parse_arn(function)
        self._store = lambda_stores[parsed["account"]][parsed["region"]]
        once = Config(
            read_timeout=INVOKE_SECONDS,
            retries={"total_max_attempts": 1},
            tcp_keepalive=True,
            max_pool_connections=50,
        )
        client = connect_to(region_name=parsed["region"], config=once).lambda_

        def invoke(payload: bytes) -> InvokeAnswer:
            reply = client.invoke(FunctionName=function, Payload=payload)
            return InvokeAnswer(
                payload=reply["Payload"].read(),
                error=reply.get("FunctionError"),
                request_id=reply["ResponseMetadata"].get("RequestId", ""),
                status=reply["StatusCode"],
                version=reply.get("ExecutedVersion", "$LATEST"),
            )

        self._mapping = EventSourceMapping(_config(mapping), invoke, _destination(mapping))
        self._started = False

    def event_source(self) -> str:
        """As the event says it."""
        return "aws:kafka" if self._managed else "SelfManagedKafka"

    def poll_events(self) -> None:
        """Called again and again while the mapping is enabled: the first call starts it, the others tell how it is."""
        if not self._started:
            self._mapping.start()
            self._started = True
        if told := self._store.event_source_mappings.get(self._identifier):
            told["LastProcessingResult"] = self._mapping.last_result

    def close(self) -> None:
        """Called when it is disabled, changed or deleted."""
        if self._started:
            self._mapping.stop()


def _config(mapping: Mapping[str, Any]) -> MappingConfig:
    group = next((mapping[kind]["ConsumerGroupId"] for kind in KINDS if mapping.get(kind)), mapping["UUID"])
    provisioned = mapping.get("ProvisionedPollerConfig")
    pollers = POLLERS | provisioned if provisioned else WITHOUT_PROVISIONED_MODE
    return MappingConfig(
        topic=mapping["Topics"][0],
        consumer_group=group,
        bootstrap=_bootstrap(mapping),
        event_source_arn=mapping.get("EventSourceArn"),
        identifier=mapping["UUID"],
        function_arn=mapping["FunctionArn"],
        batch_size=int(mapping["BatchSize"]),
        window_seconds=float(mapping["MaximumBatchingWindowInSeconds"]),
        starting_position=mapping["StartingPosition"],
        starting_timestamp=starting_timestamp(mapping),
        filters=tuple(one["Pattern"] for one in (mapping.get("FilterCriteria") or {}).get("Filters") or ()),
        maximum_retries=int(mapping["MaximumRetryAttempts"]),
        maximum_record_age_seconds=int(mapping["MaximumRecordAgeInSeconds"]),
        report_batch_item_failures="ReportBatchItemFailures" in mapping["FunctionResponseTypes"],
        bisect_batch_on_function_error=bool(mapping["BisectBatchOnFunctionError"]),
        minimum_pollers=int(pollers["MinimumPollers"]),
        maximum_pollers=int(pollers["MaximumPollers"]),
    )


def _destination(mapping: Mapping[str, Any]) -> Destination | None:
    """LocalStack's own S3, SQS and SNS, or a topic of the same brokers."""
    target = destination_of(mapping)
    if not target:
        return None
    if target.startswith(KAFKA_DESTINATION):
        return KafkaDestination(_bootstrap(mapping), target.removeprefix(KAFKA_DESTINATION))
    _, _, service, region, _, name = target.split(":", 5)
    home = region or parse_arn(mapping["FunctionArn"])["region"]
    clients = connect_to(region_name=home, config=Config(read_timeout=SEND_SECONDS, connect_timeout=SEND_SECONDS))
    if service == "s3":
        return S3Destination(clients.s3, name)
    if service == "sns":
        return SnsDestination(clients.sns, target)

    def queue(discarded: Discarded) -> None:
        # Asked for each time: a queue may be made after the mapping, and made anew.
        SqsDestination(clients.sqs, clients.sqs.get_queue_url(QueueName=name)["QueueUrl"])(discarded)

    return queue


def _bootstrap(mapping: Mapping[str, Any]) -> str:
    """Its own brokers; behind any MSK cluster's ARN stands the one Kafka of this machine."""
    endpoints = (mapping.get("SelfManagedEventSource") or {}).get("Endpoints") or {}
    return ",".join(endpoints.get("KAFKA_BOOTSTRAP_SERVERS") or [os.environ["MILLRACE_KAFKA_BOOTSTRAP"]])
