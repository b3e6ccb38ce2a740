"""What `ingest` is made of: the only place that names its adapters."""

from dataclasses import dataclass

from shared.access.development_key import DevelopmentKey
from shared.access.ports import Authenticator
from shared.adapters.kafka.log import KafkaEventLog
from shared.events.ingest import Ingest
from shared.events.ports import EventLog
from shared.events.topics import EVENTS
from shared.kit.clock import Clock, SystemClock
from shared.runtime.settings import IngestSettings


@dataclass(frozen=True, slots=True)
class Parts:
    """The room behind the door."""

    access: Authenticator
    log: EventLog
    ingest: Ingest

    @classmethod
    def over(cls, access: Authenticator, log: EventLog, clock: Clock) -> "Parts":
        """The same room over any adapters."""
        return cls(access, log, Ingest(log, clock, topic=EVENTS.name))


def wire(settings: IngestSettings) -> Parts:
    """The room over Kafka. Nothing connects before the first request."""
    log = KafkaEventLog(settings.kafka_bootstrap, EVENTS, client_id="ingest")
    return Parts.over(DevelopmentKey(settings.api_key_sha256), log, SystemClock())
