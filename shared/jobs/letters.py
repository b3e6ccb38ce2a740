"""Dead letters, redriven or discarded."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from shared.deadletters.model import LetterFilter, LetterKeyset, ListedLetter, Scope, State, StoredLetter
from shared.deadletters.ports import DeadLetterStore
from shared.events.days import Kept, TypeOf
from shared.events.envelope import decode
from shared.events.model import Event
from shared.eventtypes.ports import TypeReader
from shared.jobs.again import Again
from shared.jobs.erased import erased
from shared.jobs.model import Chunk, Job, plain, read
from shared.jobs.ports import Erasures
from shared.jobs.work import Finished, Moved, Plan
from shared.kit.clock import Clock
from shared.kit.errors import Malformed

SHOWN = 100
"""Letters that cannot be redriven are named in the result, up to so many."""

_SAMPLE = 10
_BYTES = 4 * 1024 * 1024  # of values in memory, and to append within the log's 2 s
_TICK = timedelta(microseconds=1)  # a filter's end is not in it; the moment of asking is
_BLINDLY = 20  # letters at once whose sizes are not known: each may be 1 MB


_UNSAID = LetterFilter(topic="")  # `{}` is every letter, but only where somebody said so


class LettersSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Which letters: those named, else those that the filter fits. `orphans`: also those that are no tenant's."""

    ids: list[UUID] | None = None
    filter: LetterFilter = _UNSAID
    orphans: bool = False

    def __post_init__(self) -> None:
        if self.ids is None and self.filter == _UNSAID:
            raise ValueError("neither ids nor a filter")


class _Cursor(msgspec.Struct, frozen=True):
    named: int = 0  # of `ids`
    after: LetterKeyset | None = None


class _Intent(msgspec.Struct, frozen=True, kw_only=True):
    letters: list[UUID]
    at: datetime
    ends: dict[int, int] = msgspec.field(default_factory=dict)
    there: set[UUID] = msgspec.field(default_factory=set)  # as far as the log was looked through


class _Listed(msgspec.Struct, frozen=True):
    letters: list[UUID]
    cursor: _Cursor


class _Letters:
    """What redriving and discarding share: going through the letters."""

    def __init__(self, letters: DeadLetterStore, clock: Clock) -> None:
        self._letters = letters
        self._clock = clock

    async def plan(self, job: Job) -> Plan:
        spec = read(job.spec, LettersSpec)
        if spec.ids is not None:
            return Plan(plain(_Cursor()), len(spec.ids))
        return Plan(plain(_Cursor()), await self._letters.count(_scope(job, spec), _dead(job, spec)))

    async def look(self, job: Job, limit: int) -> Chunk | Finished:
        spec = read(job.spec, LettersSpec)
        listed = await self._listed(job, spec, read(job.progress.cursor, _Cursor), limit)
        if not listed.letters:
            return Finished(job.progress.result)
        intent = _Intent(letters=listed.letters, at=self._clock.now(), ends=await self._ends(job))
        return Chunk(intent=plain(intent), cursor=plain(listed.cursor), looked=len(listed.letters))

    async def _ends(self, job: Job) -> dict[int, int]:
        return {}

    async def _listed(self, job: Job, spec: LettersSpec, cursor: _Cursor, limit: int) -> _Listed:
        if spec.ids is not None:
            named = list(islice(spec.ids, cursor.named, cursor.named + min(limit, _BLINDLY)))
            return _Listed(named, _Cursor(named=cursor.named + len(named)))
        page = await self._letters.page(
            _scope(job, spec), _dead(job, spec), after=cursor.after, limit=limit, descending=False
        )
        taken: list[ListedLetter] = []
        room = _BYTES
        for letter in page:
            room -= letter.size
            if taken and room < 0:
                break
            taken.append(letter)
        last = LetterKeyset(taken[-1].dead_at, taken[-1].id) if taken else cursor.after
        return _Listed([letter.id for letter in taken], _Cursor(after=last))


class Discard(_Letters):
    """Gives letters up."""

    async def carry_out(self, job: Job, intent: dict[str, Any], *, again: bool) -> Moved:
        ids, scope = read(intent, _Intent).letters, _scope(job, read(job.spec, LettersSpec))
        if job.is_dry:
            found = await self._letters.some(scope, ids)
            settled = [each.letter.id for each in found if each.state is State.DEAD]
        else:
            settled = await self._letters.settle(scope, ids, State.DISCARDED, job=job.id)
        result = _sampled(job.progress.result, settled)
        return Moved(result, done=len(settled), skipped=len(ids) - len(settled))


class Redrive(_Letters):
    """Sends letters on their way again, as the events that they are or were edited to be.

    A letter is settled first and read afterwards, so nobody edits what is on its way. One that is no event (yet) is
    taken back to `DEAD`, and so is one of a subject that was erased, and one whose event was received longer ago than
    its type is kept: storage would give it up within a minute, and nobody had it any more.
    """

    def __init__(
        self, letters: DeadLetterStore, again: Again, erasures: Erasures, types: TypeReader, clock: Clock
    ) -> None:
        super().__init__(letters, clock)
        self._again = again
        self._erasures = erasures
        self._types = types

    async def _ends(self, job: Job) -> dict[int, int]:
        return {} if job.is_dry else await self._again.ends()

    async def carry_out(self, job: Job, intent: dict[str, Any], *, again: bool) -> Moved:
        meant, scope = read(intent, _Intent), _scope(job, read(job.spec, LettersSpec))
        if job.is_dry:
            found = [each for each in await self._letters.some(scope, meant.letters) if each.state is State.DEAD]
        else:
            settled = await self._letters.settle(scope, meant.letters, State.REDRIVEN, job=job.id)
            found = await self._letters.some(scope, settled)
        events, unreadable = _events(job, found, meant.at)
        gone = await erased(self._erasures, job.tenant, events)
        events = {name: event for name, event in events.items() if name not in gone}
        expired = await self._expired(job, events, meant.at.date())
        events = {name: event for name, event in events.items() if name not in expired}
        left = [*unreadable, *map(UUID, sorted(expired))]
        if not job.is_dry:
            await self._letters.reopen(scope, [*left, *map(UUID, gone)], job=job.id)
            await self._again.append(job.id, events, intent, again=again)
        result = _sampled(job.progress.result, map(UUID, events))
        for why, letters in (("failed_letters", map(str, unreadable)), ("expired_letters", sorted(expired))):
            if named := [*result.get(why, ()), *letters][:SHOWN]:
                result[why] = named
        return Moved(
            result,
            done=len(events),
            skipped=len(meant.letters) - len(events) - len(left),
            failed=len(left),
            moved=0 if job.is_dry else len(events),
        )

    async def _expired(self, job: Job, events: Mapping[str, Event], today: date) -> set[str]:
        """Those of `events` that nobody keeps any more, as it was when they were begun: after a kill it is so still."""
        if not events:
            return set()
        current = await self._types.current(job.tenant)
        kept = Kept({TypeOf(job.tenant, name): each.definition.retention_days for name, each in current.items()})
        return {
            name
            for name, event in events.items()
            if kept.is_over(TypeOf(job.tenant, event.type), event.received_day, today)
        }

    async def let_go(self, job: Job, intent: dict[str, Any]) -> None:
        meant = read(intent, _Intent)
        unsent = [letter for letter in meant.letters if letter not in meant.there]
        # Not by the whole of what was asked: of that nothing may be left.
        scope = Scope(job.tenant, orphans=bool(job.spec.get("orphans")))
        if not job.is_dry:
            await self._letters.reopen(scope, unsent, job=job.id)


def _events(job: Job, letters: Sequence[StoredLetter], at: datetime) -> tuple[dict[str, Event], list[UUID]]:
    """The events of letters by the letters' ids, and the letters that are none of the tenant's."""
    found, unreadable = {}, []
    for each in letters:
        try:
            event = decode(each.value)
        except Malformed:
            unreadable.append(each.letter.id)
            continue
        if event.tenant != job.tenant:
            unreadable.append(each.letter.id)
            continue
        found[str(each.letter.id)] = replace(event, redriven_at=at, attempts=each.letter.attempts)
    return found, unreadable


def _sampled(result: dict[str, Any], ids: Iterable[UUID]) -> dict[str, Any]:
    return result | {"sample": [*result.get("sample", ()), *map(str, ids)][:_SAMPLE]}


def _scope(job: Job, spec: LettersSpec) -> Scope:
    return Scope(job.tenant, spec.orphans)


def _dead(job: Job, spec: LettersSpec) -> LetterFilter:
    """What the filter fits, of the letters that there were when the job was asked for.

    A redriven event that fails again is a new letter behind the cursor: without this edge the job would never end.
    """
    asked = job.created_at + _TICK
    until = asked if spec.filter.until is None else min(spec.filter.until, asked)
    return replace(spec.filter, state=State.DEAD, until=until)
