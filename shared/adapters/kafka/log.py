"""The event log over Apache Kafka."""

from collections.abc import Sequence

from shared.adapters.kafka.sending import Message, Sender
from shared.events.envelope import encode
from shared.events.model import Appended, Event, NotAppended


class KafkaEventLog(Sender):
    """An EventLog. Its key is the tenant and the partition key."""

    async def append(self, events: Sequence[Event], *, within: float | None = None) -> list[Appended | NotAppended]:
        return await self.send([_message(event) for event in events], within=within)


def _message(event: Event) -> Message:
    key = f"{event.tenant}/{event.partition_key}".encode()
    return Message(key, encode(event))
