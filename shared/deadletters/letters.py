"""Looking at dead letters, and mending them."""

from collections.abc import Container
from uuid import UUID

import msgspec

from shared.access.model import Principal
from shared.deadletters.mend import mended
from shared.deadletters.model import LetterFilter, LetterKeyset, ListedLetter, Scope, State, StoredLetter
from shared.deadletters.ports import DeadLetterStore
from shared.kit.clock import Clock
from shared.kit.cursor import Bookmarks, CursorSigner
from shared.kit.errors import Changed, Conflict, NotFound

MOST_EDITS = 100
"""Edits of one letter: each keeps its bytes."""


class Settled(Conflict):
    """The letter was redriven or discarded."""

    code = "settled"


class TooManyEdits(Conflict):
    """The letter was edited as often as one can be."""

    code = "too_many_edits"


class PageRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a page is asked for. `cursor` is the `next` of the page before, for the same filter and order."""

    where: LetterFilter = LetterFilter()
    limit: int = 50
    descending: bool = True
    cursor: str | None = None


class Page(msgspec.Struct, frozen=True):
    """Letters without their bytes, and the cursor of the page that follows, if there is one."""

    letters: list[ListedLetter]
    next: str | None


def scope_of(principal: Principal) -> Scope:
    """The letters that `principal` may see."""
    return Scope(principal.tenant, orphans=principal.operator)


def tag(stored: StoredLetter) -> str:
    """What changes whenever the letter does."""
    return f"{len(stored.edits)}-{stored.state}"


class Letters:
    """Answers for one principal at a time."""

    def __init__(self, store: DeadLetterStore, cursors: CursorSigner, clock: Clock) -> None:
        self._store = store
        self._bookmarks = Bookmarks(cursors, LetterKeyset)
        self._clock = clock

    async def page(self, principal: Principal, request: PageRequest) -> Page:
        """Up to `limit` letters beyond the cursor, the last to die first unless asked otherwise.

        Raises:
            Malformed: the cursor was not made here, or for another tenant, filter or order.
            Unavailable: the store is away.
        """
        scope = scope_of(principal)
        question = ("dead letters", scope, request.where, request.descending)
        after = self._bookmarks.open(question, request.cursor)
        found = await self._store.page(
            scope, request.where, after=after, limit=request.limit + 1, descending=request.descending
        )
        if len(found) <= request.limit:
            return Page(found, None)
        last = found[request.limit - 1]
        return Page(found[: request.limit], self._bookmarks.seal(question, LetterKeyset(last.dead_at, last.id)))

    async def get(self, principal: Principal, id_: UUID) -> StoredLetter:
        """One letter, whole.

        Raises:
            NotFound: there is none that the principal may see.
            Unavailable: the store is away.
        """
        stored = await self._store.get(scope_of(principal), id_)
        if stored is None:
            raise NotFound("There is no dead letter with this id.")
        return stored

    async def edit(
        self, principal: Principal, id_: UUID, body: bytes, *, expected: Container[str] | None
    ) -> StoredLetter:
        """Put a mended event in the place of what would be redriven. The original and every edit are kept.

        `expected` are the tags that the letter may have by now; None: any.

        Raises:
            NotFound: there is none that the principal may see.
            Changed: the letter's tag is none of `expected`, or it was edited or settled at this moment.
            Conflict: it was redriven or discarded before, or was edited as often as one can be.
            Invalid: see `mended`.
            Unavailable: the store is away.
        """
        stored = await self.get(principal, id_)
        if expected is not None and tag(stored) not in expected:
            raise Changed("The letter is not as it was when it was read. Read it again.")
        if stored.state is not State.DEAD:
            raise Settled(f"The letter is {stored.state}, and is edited no more.")
        if len(stored.edits) >= MOST_EDITS:
            raise TooManyEdits(f"A letter is edited at most {MOST_EDITS} times.")
        change = mended(body, stored, principal, self._clock.now())
        changed = await self._store.edit(scope_of(principal), id_, change, expected=len(stored.edits))
        if changed is None:
            raise Changed("Somebody else has changed the letter at this moment. Read it again.")
        return changed
