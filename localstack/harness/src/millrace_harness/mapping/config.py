"""What a mapping is told, and how it invokes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Protocol

type StartingPosition = Literal["TRIM_HORIZON", "LATEST"]

BATCH_SIZES = range(1, 10_001)  # AWS Lambda API, "CreateEventSourceMapping"


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingConfig:
    """One topic, one consumer group, one function; the names are AWS', in seconds where theirs are.

    `event_source_arn` is the MSK cluster's, or None for a self-managed cluster. `maximum_retries` of -1 has no end.
    `window_seconds` is how long the first record of a batch may wait for others. A batch that failed waits for
    `backoff_seconds`, then for twice as long after each further failure, up to `longest_backoff_seconds`.
    `client_settings` go to librdkafka as they are: security, mostly.
    """

    topic: str
    consumer_group: str
    bootstrap: str
    starting_position: StartingPosition
    event_source_arn: str | None = None
    batch_size: int = 100
    window_seconds: float = 0
    maximum_retries: int = -1
    report_batch_item_failures: bool = False
    backoff_seconds: float = 0.2
    longest_backoff_seconds: float = 5
    client_settings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        """Raises `ValueError` for a value that no mapping can have."""
        if self.batch_size not in BATCH_SIZES:
            raise ValueError(f"batch_size is from 1 to 10000, not {self.batch_size}.")
        if not 0 <= self.window_seconds <= 300:
            raise ValueError(f"window_seconds is from 0 to 300, not {self.window_seconds}.")
        if not -1 <= self.maximum_retries <= 10_000:
            raise ValueError(f"maximum_retries is from -1 to 10000, not {self.maximum_retries}.")


@dataclass(frozen=True, slots=True)
class InvokeAnswer:
    """What the function answered. `error` is set where AWS has X-Amz-Function-Error; the payload then says more."""

    payload: bytes
    error: str | None = None


class Invoke(Protocol):
    """Calls the function once, and waits for its answer.

    Raising anything means that the function was not run, as when it is throttled or being updated: the batch is kept
    and offered again later, which is not counted as a retry.
    """

    def __call__(self, payload: bytes) -> InvokeAnswer: ...
