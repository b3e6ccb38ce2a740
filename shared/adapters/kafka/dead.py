"""The topic of dead letters over Apache Kafka."""

from collections.abc import Sequence

from shared.adapters.kafka.sending import Message, Sender
from shared.events.dead import DeadLetter, encode
from shared.events.model import Appended


class KafkaDeadLetterLog(Sender):
    """A DeadLetterLog. A letter has its record's key, so that letters of one key stay in order.

    One whose record has no key goes to the partition of its record's number.
    """

    async def append(self, letters: Sequence[DeadLetter]) -> list[bool]:
        answers = await self.send([_message(letter) for letter in letters])
        return [isinstance(answer, Appended) for answer in answers]


def _message(letter: DeadLetter) -> Message:
    return Message(letter.key, encode(letter), letter.partition)
