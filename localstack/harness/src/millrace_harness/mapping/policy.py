"""What becomes of a batch: split, tried again, or given up.

Source: Lambda developer guide, "Configuring error handling controls for Kafka event sources"; for what that page leaves
open, the pages on Kinesis and DynamoDB streams, whose options these are.
"""

from collections.abc import Sequence

from millrace_harness.mapping.answer import Verdict
from millrace_harness.mapping.config import MAX_PAYLOAD_BYTES, UNLIMITED, InvokeAnswer, MappingConfig
from millrace_harness.mapping.event import Encoded, encode
from millrace_harness.mapping.units import Unit

RETRIES_BEFORE_A_DESTINATION = 10
"""Where retries are unlimited and there is a destination ("Using a Kafka topic as an on-failure destination")."""


class Policy:
    """The rules of one mapping; `has_destination` is whether what is given up goes anywhere."""

    def __init__(self, config: MappingConfig, *, has_destination: bool) -> None:
        self._config = config
        unlimited = config.maximum_retries == UNLIMITED
        self.maximum_retries = RETRIES_BEFORE_A_DESTINATION if unlimited and has_destination else config.maximum_retries

    def before(self, unit: Unit, *, now: float) -> list[Unit]:
        """`unit`, or what it falls into because some of it must not reach the function. `now`: seconds since 1970."""
        if unit.condition:
            return [unit]
        old = [one for one in unit.records if self._is_too_old(one, now)]
        if old:
            rest = [one for one in unit.records if not self._is_too_old(one, now)]
            return [
                Unit(old, failures=unit.failures, answer=unit.answer, condition="RecordAgeExceeded"),
                Unit(rest, failures=unit.failures, answer=unit.answer),
            ]
        if len(unit.records) == 1 and len(encode(self._config, unit.records)) > MAX_PAYLOAD_BYTES:
            unit.condition = "MaximumPayloadSizeExceeded"
        return [unit]

    def after(self, unit: Unit, verdict: Verdict, answer: InvokeAnswer) -> list[Unit]:
        """What is left to do of `unit`, whose call had this verdict; nothing if it is done."""
        if verdict.whole:
            if self._config.bisect_batch_on_function_error and len(unit.records) > 1:
                return [Unit(half, answer=answer) for half in _halves(unit.records)]
            return [self._once_more(unit.records, unit.failures + 1, answer)]
        left: list[Unit] = []
        for partition, offset in verdict.retry_from.items():
            own = [one for one in unit.records if one.record.partition == partition]
            rest = [one for one in own if one.record.offset >= offset]
            if rest:
                failures = unit.failures + 1 if len(rest) == len(own) else 1
                left.append(self._once_more(rest, failures, answer))
        return left

    def _once_more(self, records: list[Encoded], failures: int, answer: InvokeAnswer) -> Unit:
        unit = Unit(records, failures=failures, answer=answer)
        if self.maximum_retries != UNLIMITED and failures > self.maximum_retries:
            unit.condition = "RetryAttemptsExhausted"
        return unit

    def _is_too_old(self, one: Encoded, now: float) -> bool:
        age = self._config.maximum_record_age_seconds
        return age != UNLIMITED and one.record.timestamp < (now - age) * 1000


def _halves(records: Sequence[Encoded]) -> tuple[list[Encoded], list[Encoded]]:
    """The event cut in the middle: its partitions one after the other, each in order."""
    grouped = sorted(records, key=lambda one: one.record.partition)
    middle = (len(grouped) + 1) // 2
    return grouped[:middle], grouped[middle:]
