"""Dead letters in memory."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from shared.deadletters.model import (
    Change,
    LetterFilter,
    LetterKeyset,
    ListedLetter,
    NewLetter,
    Scope,
    State,
    StoredLetter,
)
from shared.events.model import Outcome
from shared.kit.clock import Clock, SystemClock
from shared.kit.errors import Unavailable

_EQUAL = ("state", "type", "source")
_EQUAL_OF_RECORD = ("code", "topic", "partition")


class MemoryDeadLetterStore:
    """A DeadLetterStore over a dictionary. Set `away` to have it behave as one that cannot be reached.

    It refuses the letters whose ids stand in `refused`.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.letters: dict[UUID, StoredLetter] = {}
        self.refused: set[UUID] = set()
        self.away = False
        self.received: dict[UUID, datetime] = {}  # when the letter's event came, where that is known
        self._clock = clock or SystemClock()
        self._subjects: dict[UUID, list[str | None]] = {}  # that a letter had before it was edited

    async def bury(self, letters: Sequence[NewLetter]) -> list[Outcome]:
        return [Outcome.UNAVAILABLE if self.away else self._bury(each) for each in letters]

    async def get(self, scope: Scope, id_: UUID) -> StoredLetter | None:
        self._require()
        stored = self.letters.get(id_)
        return stored if stored is not None and _is_seen(scope, stored) else None

    async def page(
        self, scope: Scope, where: LetterFilter, *, after: LetterKeyset | None, limit: int, descending: bool
    ) -> list[ListedLetter]:
        found = sorted(self._found(scope, where), key=_order, reverse=descending)
        if after is not None:
            edge = (after.dead_at, after.id)
            found = [each for each in found if (_order(each) < edge if descending else _order(each) > edge)]
        return [each.listed for each in found[:limit]]

    async def some(self, scope: Scope, ids: Sequence[UUID]) -> list[StoredLetter]:
        found = [await self.get(scope, each) for each in set(ids)]
        return sorted([each for each in found if each is not None], key=_order)

    async def count(self, scope: Scope, where: LetterFilter) -> int:
        return len(self._found(scope, where))

    async def edit(self, scope: Scope, id_: UUID, change: Change, *, expected: int) -> StoredLetter | None:
        stored = await self.get(scope, id_)
        if stored is None or stored.state is not State.DEAD or len(stored.edits) != expected:
            return None
        self._subjects.setdefault(id_, []).append(stored.subject)
        letter = msgspec.structs.replace(stored.letter, tenant=stored.letter.tenant or change.tenant)
        self.letters[id_] = msgspec.structs.replace(
            stored,
            letter=letter,
            edits=(*stored.edits, change.edit),
            edited=change.value,
            event_id=change.event_id,
            source=change.source,
            type=change.type,
            subject=change.subject,
        )
        return self.letters[id_]

    async def settle(self, scope: Scope, ids: Sequence[UUID], state: State, *, job: UUID) -> list[UUID]:
        moved = []
        for id_ in ids:
            stored = await self.get(scope, id_)
            if stored is None or not (stored.state is State.DEAD or (stored.state, stored.settled_by) == (state, job)):
                continue
            at = stored.settled_at or self._clock.now()
            self.letters[id_] = msgspec.structs.replace(stored, state=state, settled_at=at, settled_by=job)
            moved.append(id_)
        return moved

    async def reopen(self, scope: Scope, ids: Sequence[UUID], *, job: UUID) -> list[UUID]:
        moved = []
        for id_ in ids:
            stored = await self.get(scope, id_)
            if stored is not None and stored.settled_by == job:
                self.letters[id_] = msgspec.structs.replace(stored, state=State.DEAD, settled_at=None, settled_by=None)
                moved.append(id_)
        return moved

    async def remove(self, scope: Scope, ids: Sequence[UUID]) -> list[UUID]:
        removed = [id_ for id_ in ids if await self.get(scope, id_) is not None]
        for id_ in removed:
            del self.letters[id_]
            self._subjects.pop(id_, None)
        return removed

    def _require(self) -> None:
        if self.away:
            raise Unavailable("The database does not answer.")

    def _bury(self, new: NewLetter) -> Outcome:
        letter = new.letter
        if letter.id in self.refused:
            return Outcome.INVALID
        if letter.id in self.letters:
            return Outcome.DUPLICATE
        self.letters[letter.id] = StoredLetter(
            letter=letter,
            buried_at=self._clock.now(),
            event_id=new.event_id,
            source=new.source,
            type=new.type,
            subject=new.subject,
        )
        if new.received_at is not None:
            self.received[letter.id] = new.received_at
        return Outcome.STORED

    def _found(self, scope: Scope, where: LetterFilter) -> list[StoredLetter]:
        self._require()
        return [each for each in self.letters.values() if _is_seen(scope, each) and self._matches(each, where)]

    def _matches(self, stored: StoredLetter, where: LetterFilter) -> bool:
        pairs = [(getattr(where, name), getattr(stored, name)) for name in _EQUAL]
        pairs += [(getattr(where, name), getattr(stored.letter, name)) for name in _EQUAL_OF_RECORD]
        dead_at = stored.letter.dead_at
        return (
            all(wanted is None or wanted == actual for wanted, actual in pairs)
            and where.subject in (None, stored.subject, *self._subjects.get(stored.letter.id, ()))
            and (where.since is None or dead_at >= where.since)
            and (where.until is None or dead_at < where.until)
        )


def _is_seen(scope: Scope, stored: StoredLetter) -> bool:
    tenant = stored.letter.tenant
    return tenant == scope.tenant or (tenant is None and scope.orphans)


def _order(stored: StoredLetter) -> tuple[datetime, UUID]:
    return (stored.letter.dead_at.astimezone(UTC), stored.letter.id)
