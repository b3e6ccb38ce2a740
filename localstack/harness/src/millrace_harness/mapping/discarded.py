"""What an on-failure destination is told: AWS' invocation records for Kafka.

Source: Lambda developer guide, "Capturing discarded batches for Amazon MSK and self-managed Apache Kafka event
sources" and "Using a Kafka topic as an on-failure destination".
"""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from millrace_harness.mapping.config import InvokeAnswer, MappingConfig
from millrace_harness.mapping.event import Encoded, encode
from millrace_harness.mapping.units import Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Discarded:
    """Records of one batch that are given up, and why. `answer` is None where the function was never called."""

    config: MappingConfig
    records: Sequence[Encoded]
    condition: Condition
    answer: InvokeAnswer | None
    invocations: int
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def metadata(self) -> dict[str, Any]:
        """What SQS and SNS get: the failure, and between which offsets of which partitions."""
        return self._document({"recordsInfo": self._places()})

    def with_event(self) -> dict[str, Any]:
        """What S3 gets: the metadata, and the whole event as a JSON text."""
        return self.metadata() | {"payload": encode(self.config, self.records).decode()}

    def one_by_one(self) -> list[tuple[Encoded, dict[str, Any]]]:
        """What a Kafka topic gets: each record by itself, with an event that holds it alone."""
        return [(one, replace(self, records=[one])._of_one()) for one in self.records]

    def _of_one(self) -> dict[str, Any]:
        record = self.records[0].record
        info = {"recordInfo": {"offset": str(record.offset), "timestamp": _moment(record.timestamp / 1000)}}
        return self._document(info) | {"payload": json.loads(encode(self.config, self.records))}

    def object_key(self) -> str:
        """`aws/lambda/<mapping>/<shard>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<UUID>`; the shard is the first partition."""
        first = self.records[0].record
        day, second = self.at.strftime("%Y/%m/%d"), self.at.strftime("%Y-%m-%dT%H.%M.%S")
        return f"aws/lambda/{self.config.identifier}/{first.topic}-{first.partition}/{day}/{second}-{uuid.uuid4()}"

    def _document(self, info: dict[str, Any]) -> dict[str, Any]:
        answer = self.answer
        source = {"eventSourceArn": self.config.event_source_arn} if self.config.event_source_arn else {}
        return {
            "requestContext": {
                "requestId": answer.request_id if answer else "",
                "functionArn": self.config.function_arn,
                "condition": self.condition,
                "approximateInvokeCount": self.invocations,
            },
            "responseContext": answer
            and {
                "statusCode": answer.status,
                "executedVersion": answer.version,
                "functionError": answer.error,
            },
            "version": "1.0",
            "timestamp": _moment(self.at.timestamp()),
            "KafkaBatchInfo": {
                "batchSize": len(self.records),
                **source,
                "bootstrapServers": self.config.bootstrap,
                "payloadSize": len(encode(self.config, self.records)),
                **info,
            },
        }

    def _places(self) -> dict[str, Any]:
        places: dict[str, dict[str, str]] = {}
        for one in self.records:
            record = one.record
            offset, moment = str(record.offset), _moment(record.timestamp / 1000)
            place = places.setdefault(
                f"{record.topic}-{record.partition}", {"firstRecordOffset": offset, "firstRecordTimestamp": moment}
            )
            place |= {"lastRecordOffset": offset, "lastRecordTimestamp": moment}
        return places


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
