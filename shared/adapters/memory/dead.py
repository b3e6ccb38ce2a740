"""The topic of dead letters in memory."""

from collections.abc import Sequence

from shared.events.dead import DeadLetter


class MemoryDeadLetterLog:
    """A DeadLetterLog of one list. Set `away` to have it answer as a log without brokers does.

    Set `room` to have it take so many letters more, and no other.
    """

    def __init__(self) -> None:
        self.letters: list[DeadLetter] = []
        self.away = False
        self.room: int | None = None

    async def append(self, letters: Sequence[DeadLetter]) -> list[bool]:
        return [self._append(letter) for letter in letters]

    def _append(self, letter: DeadLetter) -> bool:
        if self.away or self.room == 0:
            return False
        if self.room is not None:
            self.room -= 1
        self.letters.append(letter)
        return True
