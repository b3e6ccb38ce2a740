"""What a mapping is told, and how it calls the function."""

from dataclasses import dataclass
from typing import Literal, Protocol

from millrace_harness.mapping import patterns

MAX_PAYLOAD_BYTES = 6 * 1024 * 1024
"""A synchronous invocation's payload (Lambda developer guide, "Lambda quotas"): the whole event, base64 and all."""

UNLIMITED = -1
MAX_FILTERS = 5
"""An account's quota unless it is raised (Lambda developer guide, "Control which events Lambda sends")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingConfig:
    """One event source mapping for Kafka; the names are those of AWS' `CreateEventSourceMapping`, shortened.

    `bootstrap` names the brokers, `event_source_arn` the MSK cluster they are said to be (None: self-managed Kafka);
    `identifier` (the mapping's UUID) and `function_arn` are what invocation records tell of it.
    `batch_size` is in records and `window_seconds` how long a batch may wait to fill (AWS: 1..10,000 and 0..300).
    `starting_timestamp` belongs to AT_TIMESTAMP, in seconds since 1970. `filters` are patterns as JSON texts; a record
    that one of them fits is delivered. `maximum_retries` counts the calls after the first one that failed; -1 retries
    until it works. `maximum_record_age_seconds` is by the record's timestamp (60 s..7 days, -1 for any age).

    Raises:
        ValueError: names what AWS would not take.
    """

    topic: str
    consumer_group: str
    bootstrap: str
    event_source_arn: str | None
    identifier: str = ""
    function_arn: str = ""
    batch_size: int = 100
    window_seconds: float = 0
    starting_position: Literal["TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"] = "TRIM_HORIZON"
    starting_timestamp: float | None = None
    filters: tuple[str, ...] = ()
    maximum_retries: int = UNLIMITED
    maximum_record_age_seconds: int = UNLIMITED
    report_batch_item_failures: bool = False
    bisect_batch_on_function_error: bool = False
    minimum_pollers: int = 1
    maximum_pollers: int = 1

    def __post_init__(self) -> None:
        age = self.maximum_record_age_seconds
        faults = {
            "batch_size": not 1 <= self.batch_size <= 10_000,
            "window_seconds": not 0 <= self.window_seconds <= 300,
            "starting_position": self.starting_position not in ("TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"),
            "starting_timestamp": (self.starting_timestamp is None) != (self.starting_position != "AT_TIMESTAMP"),
            "filters": len(self.filters) > MAX_FILTERS,
            "maximum_retries": not UNLIMITED <= self.maximum_retries <= 10_000,
            "maximum_record_age_seconds": age != UNLIMITED and not 60 <= age <= 604_800,
            "minimum_pollers": not 1 <= self.minimum_pollers <= 200,
            "maximum_pollers": not self.minimum_pollers <= self.maximum_pollers <= 2_000,
        }
        if wrong := [name for name, fault in faults.items() if fault]:
            raise ValueError(f"out of AWS' range for a Kafka event source: {', '.join(wrong)}")
        for text in self.filters:
            patterns.parse(text)


@dataclass(frozen=True, slots=True)
class InvokeAnswer:
    """What a function answered: its payload, and the kind of its error (`X-Amz-Function-Error`) if it failed.

    The rest is told to an on-failure destination: the request's id, the HTTP status and the version that ran.
    """

    payload: bytes
    error: str | None = None
    request_id: str = ""
    status: int = 200
    version: str = "$LATEST"


class Invoke(Protocol):
    """Calls the function, synchronously, and returns when it has answered or failed."""

    def __call__(self, payload: bytes) -> InvokeAnswer:
        """Raises whatever it likes when the function could not be called at all: throttled, being updated, away."""
        ...
