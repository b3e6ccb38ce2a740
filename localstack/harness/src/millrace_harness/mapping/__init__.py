"""An event source mapping for Kafka, with the rules of AWS Lambda. See README.md beside this file."""

from millrace_harness.mapping.config import Invoke, InvokeAnswer, MappingConfig
from millrace_harness.mapping.mapping import EventSourceMapping

__all__ = ["EventSourceMapping", "Invoke", "InvokeAnswer", "MappingConfig"]
