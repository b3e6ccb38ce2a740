"""An event source mapping for Kafka, with the rules of AWS Lambda. See README.md beside this file."""

from millrace_harness.mapping.config import Invoke, InvokeAnswer, MappingConfig
from millrace_harness.mapping.destinations import (
    Destination,
    KafkaDestination,
    S3Destination,
    SnsDestination,
    SqsDestination,
)
from millrace_harness.mapping.discarded import Discarded
from millrace_harness.mapping.mapping import EventSourceMapping
from millrace_harness.mapping.scaling import Pace

__all__ = [
    "Destination",
    "Discarded",
    "EventSourceMapping",
    "Invoke",
    "InvokeAnswer",
    "KafkaDestination",
    "MappingConfig",
    "Pace",
    "S3Destination",
    "SnsDestination",
    "SqsDestination",
]
