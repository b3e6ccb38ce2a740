"""A Kafka event source mapping: what AWS Lambda runs between a topic and a function.

`EventSourceMapping` is the door. README.md beside this file says which rules it follows, and what is not there yet.
"""

from millrace_harness.mapping.config import Invoke, InvokeAnswer, MappingConfig, StartingPosition
from millrace_harness.mapping.mapping import EventSourceMapping
from millrace_harness.mapping.status import MappingStatus

__all__ = ["EventSourceMapping", "Invoke", "InvokeAnswer", "MappingConfig", "MappingStatus", "StartingPosition"]
