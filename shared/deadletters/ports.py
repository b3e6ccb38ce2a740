"""Where dead letters are kept."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

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


class DeadLetterStore(Protocol):
    """Letters by their id. Every method but `bury` raises `Unavailable` when the store is away.

    A list of many (`page`) has no values, and says how large they are; values come with `get` and `some`, for as many
    letters as the caller has room for.
    """

    async def bury(self, letters: Sequence[NewLetter]) -> list[Outcome]:
        """Keep `letters` in one transaction, and answer for each, in the order given.

        `STORED` and `DUPLICATE` are durable when this returns; a letter that is there already is a `DUPLICATE` and is
        not changed. A letter that the store refuses for its own sake is `INVALID`, and its neighbours are kept all the
        same. When the store is away nothing is kept and every letter is `UNAVAILABLE`.
        """
        ...

    async def get(self, scope: Scope, id_: UUID) -> StoredLetter | None:
        """One letter with its edits."""
        ...

    async def page(
        self, scope: Scope, where: LetterFilter, *, after: LetterKeyset | None, limit: int, descending: bool
    ) -> list[ListedLetter]:
        """Up to `limit` letters in order of (dead_at, id), beyond `after`."""
        ...

    async def some(self, scope: Scope, ids: Sequence[UUID]) -> list[StoredLetter]:
        """Those of at most 1,000 `ids` that there are, whole, in order of (dead_at, id).

        All of them are in memory at once: `ListedLetter.size` tells beforehand how much that will be.
        """
        ...

    async def count(self, scope: Scope, where: LetterFilter) -> int:
        """How many letters there are."""
        ...

    async def edit(self, scope: Scope, id_: UUID, change: Change, *, expected: int) -> StoredLetter | None:
        """Apply `change` to a letter that is `DEAD` and has `expected` edits by now; None where there is none such."""
        ...

    async def settle(self, scope: Scope, ids: Sequence[UUID], state: State, *, job: UUID) -> list[UUID]:
        """Take letters that are `DEAD` to `state`, and name those, in the order given.

        Repeatable: those that `job` took there before are named too. Nobody edits a letter that is settled: a job that
        settles first and reads afterwards redrives what people see.
        """
        ...

    async def reopen(self, scope: Scope, ids: Sequence[UUID], *, job: UUID) -> list[UUID]:
        """Take letters that `job` settled back to `DEAD`, and name those, in the order given."""
        ...

    async def remove(self, scope: Scope, ids: Sequence[UUID]) -> list[UUID]:
        """Remove letters with all their edits, wherever they stand, and name those, in the order given."""
        ...
