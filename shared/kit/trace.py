"""Traces, as W3C Trace Context has them travel from one to the next."""

import re
import secrets
from dataclasses import dataclass

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

    @staticmethod
    def is_traceparent(text: str) -> bool:
        """Whether `text` is a `traceparent` of version 00."""
        return _TRACEPARENT.fullmatch(text) is not None

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"
