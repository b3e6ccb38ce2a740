"""Where dead letters are kept."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from shared.deadletters.model import Edit, LetterFilter, LetterKeyset, Scope, State, StoredLetter
from shared.events.dead import DeadLetter
from shared.events.model import Outcome


class DeadLetterStore(Protocol):
    """Letters by their id. Every method but `bury` raises `Unavailable` when the store is away."""

    async def bury(self, letters: Sequence[DeadLetter]) -> list[Outcome]:
        """Keep `letters` in one transaction, and answer for each, in the order given.

        `STORED` and `DUPLICATE` are durable when this returns; a letter that is there already is a `DUPLICATE` and is
        not changed. When the store is away nothing is kept and every letter is `UNAVAILABLE`.
        """
        ...

    async def get(self, scope: Scope, id_: UUID) -> StoredLetter | None:
        """One letter with its edits."""
        ...

    async def page(
        self, scope: Scope, where: LetterFilter, *, after: LetterKeyset | None, limit: int, descending: bool
    ) -> list[StoredLetter]:
        """Up to `limit` letters in order of (dead_at, id), beyond `after`."""
        ...

    async def some(self, scope: Scope, ids: Sequence[UUID]) -> list[StoredLetter]:
        """Those of at most 1,000 `ids` that there are, in order of (dead_at, id)."""
        ...

    async def count(self, scope: Scope, where: LetterFilter) -> int:
        """How many letters there are."""
        ...

    async def edit(self, scope: Scope, id_: UUID, edit: Edit, *, expected: int) -> StoredLetter | None:
        """Add `edit` to a letter that is `DEAD` and has `expected` edits by now; None where there is none such."""
        ...

    async def settle(self, scope: Scope, ids: Sequence[UUID], state: State, *, job: UUID) -> list[UUID]:
        """Take letters that are `DEAD` to `state`, and name those. Repeatable: so are those that `job` took there."""
        ...
