"""What an environment says of itself: one JSON line a request or batch, and one for each error.

An entry is an event name, dotted and constant, with fields.
"""

import logging
import re
import secrets
from dataclasses import dataclass

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers

logger = Logger(utc=True)

# Adapters cannot know of this module: their own loggers hang below `shared`, and write the same lines.
logging.getLogger("shared")
copy_config_to_registered_loggers(logger, include={"shared"})

# W3C Trace Context, level 1: version 00, trace id and parent id not all zeros.
_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")


@dataclass(frozen=True, slots=True)
class Trace:
    """Where a request stands in its trace: `trace_id` has 32 and `span_id` 16 hexadecimal digits."""

    trace_id: str
    span_id: str
    flags: str

    @classmethod
    def continued(cls, traceparent: str | None) -> "Trace":
        """A new span in the caller's trace, or a new trace where there is none or it cannot be read."""
        match = _TRACEPARENT.fullmatch(traceparent or "")
        trace_id, flags = (match[1], match[3]) if match else (secrets.token_hex(16), "01")
        return cls(trace_id, secrets.token_hex(8), flags)

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"
