"""What a mapping is told, and how it calls the function."""

from dataclasses import dataclass
from typing import Literal, Protocol

MAX_PAYLOAD_BYTES = 6 * 1024 * 1024
"""A synchronous invocation's payload (Lambda developer guide, "Lambda quotas"): the whole event, base64 and all."""

UNLIMITED = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingConfig:
    """One event source mapping for Kafka; the names are those of AWS' `CreateEventSourceMapping`, shortened.

    `bootstrap` names the brokers, `event_source_arn` the MSK cluster they are said to be (None: self-managed Kafka).
    `batch_size` is in records and `window_seconds` how long a batch may wait to fill (AWS: 1..10,000 and 0..300).
    `maximum_retries` counts the calls after the first one that failed; -1 retries until it works.
    """

    topic: str
    consumer_group: str
    bootstrap: str
    event_source_arn: str | None
    batch_size: int = 100
    window_seconds: float = 0
    starting_position: Literal["TRIM_HORIZON", "LATEST"] = "TRIM_HORIZON"
    maximum_retries: int = UNLIMITED
    report_batch_item_failures: bool = False

    def __post_init__(self) -> None:
        faults = {
            "batch_size": not 1 <= self.batch_size <= 10_000,
            "window_seconds": not 0 <= self.window_seconds <= 300,
            "maximum_retries": not UNLIMITED <= self.maximum_retries <= 10_000,
            "starting_position": self.starting_position not in ("TRIM_HORIZON", "LATEST"),
        }
        if wrong := [name for name, fault in faults.items() if fault]:
            raise ValueError(f"out of AWS' range for a Kafka event source: {', '.join(wrong)}")


@dataclass(frozen=True, slots=True)
class InvokeAnswer:
    """What a function answered: its payload, and the kind of its error (`X-Amz-Function-Error`) if it failed."""

    payload: bytes
    error: str | None = None


class Invoke(Protocol):
    """Calls the function, synchronously, and returns when it has answered or failed."""

    def __call__(self, payload: bytes) -> InvokeAnswer:
        """Raises whatever it likes when the function could not be called at all: throttled, being updated, away."""
        ...
