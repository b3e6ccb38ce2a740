"""How many pollers a mapping has, and how fast it goes.

Source: Lambda developer guide, "Apache Kafka event poller scaling modes in Lambda" (provisioned mode): between the
minimum and the maximum, and never more than the topic has partitions. When to add one AWS does not say.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from millrace_harness.mapping.config import MappingConfig
from millrace_harness.mapping.units import LONGEST_SECONDS


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the lag is looked at, and how long there must be none before a poller is let go, in seconds.

    `retry_seconds` is the longest rest between two tries, `session_seconds` how long a poller whose process was killed
    holds its partitions: a broker takes no less than 6 s (`group.min.session.timeout.ms`).
    """

    look_seconds: float = 1.0
    idle_seconds: float = 60.0
    retry_seconds: float = LONGEST_SECONDS
    session_seconds: float = 10.0


class Scaling:
    """One poller more at each look that finds more than a batch of lag a poller; one less after each idle time."""

    def __init__(self, config: MappingConfig, pace: Pace, *, now: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._pace = pace
        self._now = now
        self._busy = now()

    def wanted(self, pollers: int, *, partitions: int, lag: int) -> int:
        """How many there should be, where there are `pollers` now and `lag` records wait in all.

        `partitions` is 0 where the topic is not known yet: one poller waits for it.
        """
        most = max(1, min(self._config.maximum_pollers, partitions))
        least = min(self._config.minimum_pollers, most)
        wanted = pollers
        if lag > 0:
            self._busy = self._now()
        if lag > pollers * self._config.batch_size:
            wanted = pollers + 1
        elif self._now() - self._busy >= self._pace.idle_seconds:
            wanted = pollers - 1
            self._busy = self._now()
        return max(least, min(wanted, most))
