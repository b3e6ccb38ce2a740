"""A subject's events, removed wherever they are kept, and a proof of it.

What was received until the job was made is meant. From the first chunk on redrives and replays pass it over. Then the
spool, what is on its way (waited for until it is stored), rows, cached answers and dead letters; and all of it once
more, until a whole round finds nothing. At last older jobs that name the subject lose the name. Kafka's own copies
cannot be removed: the proof says until when they last.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from shared.events.admission import Backlog
from shared.events.model import Event
from shared.events.ports import Keyset
from shared.events.query import CACHED_SECONDS
from shared.events.spool import Spool
from shared.events.topics import Topic
from shared.jobs.engine import LATE_SECONDS, LEASE_SECONDS
from shared.jobs.model import Chunk, Job, plain, read
from shared.jobs.ports import Consumers, Erasures, LogReader, Remains, RowName, Traces
from shared.jobs.work import Finished, Moved, Plan, Wait
from shared.kit.clock import Clock
from shared.kit.errors import Malformed, NotFound

_IN_FLIGHT_SECONDS = LEASE_SECONDS + LATE_SECONDS
"""For whoever has an event in hand (`ingest` has 10 s, `drain` 30, a step of another job less than its lease), and for
what was sent last to be read by anybody."""

_ANSWERS_SECONDS = CACHED_SECONDS + 15.0  # and a replica that lags, from which an answer was cached anew
_POLL_SECONDS = 10.0
_PATIENCE = timedelta(hours=6)
_OBJECTS = 8  # of the spool at once: 4 MB each if they are the largest
_PUT_SECONDS = 3.0
_MOST_ROUNDS = 5
_WAITS = "For what is on its way."


class Stage(StrEnum):
    """What is done, in this order; after `EXPIRE` comes the next round, from `SPOOL` on; after the last the rest."""

    NOTE = "note"
    SPOOL = "spool"
    FLIGHT = "flight"
    CONSUMED = "consumed"
    ROWS = "rows"
    LETTERS = "letters"
    EXPIRE = "expire"
    UNNAME = "unname"
    PROOF = "proof"


@dataclass(frozen=True, slots=True)
class Watched:
    """A topic, and the consumers that must have read what it holds by now."""

    topic: Topic
    reader: LogReader
    consumers: Consumers


@dataclass(frozen=True, slots=True)
class Places:
    """Where a subject's events may be. `watched` in the order in which events go through them."""

    spool: Spool
    backlog: Backlog
    watched: Sequence[Watched]
    remains: Remains
    traces: Traces


class _Cursor(msgspec.Struct, frozen=True, kw_only=True):
    stage: Stage = Stage.NOTE
    round: int = 1
    found: int = 0  # in this round
    object: str = ""  # the last one of the spool that was looked at
    watched: int = 0
    ends: dict[int, int] | None = None
    since: datetime | None = None  # when waiting for consumers began
    not_before: datetime | None = None  # kept here: whoever pauses and resumes the job makes it due at once
    after: Keyset | None = None


class _Intent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is removed: nothing where all is empty, which only moves the cursor."""

    note: bool = False
    unname: bool = False
    objects: dict[str, int] = msgspec.field(default_factory=dict)  # with how many events of the subject each
    rows: list[RowName] = msgspec.field(default_factory=list)
    letters: list[UUID] = msgspec.field(default_factory=list)


class _Spec(msgspec.Struct, frozen=True):
    subject: str


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """How much was removed where, as the proof tells it."""

    spooled_events: int = 0
    rows: int = 0
    dead_letters: int = 0


class Erasure:
    """Goes from place to place."""

    def __init__(self, places: Places, erasures: Erasures, clock: Clock) -> None:
        self._places = places
        self._erasures = erasures
        self._clock = clock

    async def plan(self, job: Job) -> Plan:
        return Plan(plain(_Cursor()))

    async def look(self, job: Job, limit: int) -> Chunk | Wait | Finished:
        subject, cursor = read(job.spec, _Spec).subject, read(job.progress.cursor, _Cursor)
        if cursor.not_before is not None:
            rest = (cursor.not_before - self._clock.now()).total_seconds()
            if rest > 0:
                return Wait(rest, job.progress.message or _WAITS, plain(cursor))
            cursor = replace(cursor, not_before=None)
        return await self._look(job, subject, cursor, limit)

    async def _look(self, job: Job, subject: str, cursor: _Cursor, limit: int) -> Chunk | Wait | Finished:
        match cursor.stage:
            case Stage.NOTE:
                return _chunk(_Intent(note=True), replace(cursor, stage=Stage.SPOOL))
            case Stage.SPOOL:
                return await self._spooled(job, subject, cursor)
            case Stage.FLIGHT:
                waiting = replace(cursor, stage=Stage.CONSUMED, watched=0, ends=None, since=None)
                return self._wait(_IN_FLIGHT_SECONDS, "For what is on its way into the log.", waiting)
            case Stage.CONSUMED:
                return await self._consumed(job, cursor)
            case Stage.ROWS:
                return await self._rows(job, subject, cursor, limit)
            case Stage.LETTERS:
                return await self._letters(job, subject, cursor, limit)
            case Stage.EXPIRE:
                following = replace(cursor, stage=Stage.SPOOL, round=cursor.round + 1, object="")
                return self._wait(_ANSWERS_SECONDS, "For cached answers to end.", following)
            case Stage.UNNAME:
                since = cursor.since or self._clock.now()
                return _chunk(_Intent(unname=True), replace(cursor, stage=Stage.PROOF, since=since))
            case Stage.PROOF:
                return await self._proved(job, subject, cursor)

    def _wait(self, seconds: float, message: str, cursor: _Cursor) -> Wait:
        until = self._clock.now() + timedelta(seconds=seconds)
        return Wait(seconds, message, plain(replace(cursor, not_before=until)))

    async def carry_out(self, job: Job, intent: dict[str, Any], *, again: bool) -> Moved:
        meant, subject, places = read(intent, _Intent), read(job.spec, _Spec).subject, self._places
        if meant.note:
            await self._erasures.note(job.tenant, subject, job.created_at, job.id)
        if meant.unname:
            await places.remains.unname(job.tenant, subject, self._digest(job, subject), before=job.id)
        for name in meant.objects:
            await self._rewrite(job, subject, name)
        if meant.rows:
            await places.remains.remove_rows(job.tenant, subject, meant.rows)
            await places.traces.forget(job.tenant, meant.rows)
        if meant.letters:
            await places.remains.remove_letters(job.tenant, meant.letters)
        was = read(job.progress.result.get("removed"), Removed)
        removed = Removed(
            spooled_events=was.spooled_events + sum(meant.objects.values()),
            rows=was.rows + len(meant.rows),
            dead_letters=was.dead_letters + len(meant.letters),
        )
        done = sum(meant.objects.values()) + len(meant.rows) + len(meant.letters)
        return Moved(job.progress.result | {"removed": plain(removed)}, done=done, moved=done)

    async def _spooled(self, job: Job, subject: str, cursor: _Cursor) -> Chunk | Finished:
        names = await self._places.spool.names(_OBJECTS, after=cursor.object)
        if names:
            objects = {name: len(await self._of(job, subject, name)) for name in names}
            found = {name: number for name, number in objects.items() if number}
            following = replace(cursor, object=names[-1], found=cursor.found + sum(found.values()))
            return _chunk(_Intent(objects=found), following, looked=len(names))
        if cursor.round > 1 and not cursor.found:
            return _chunk(_Intent(), replace(cursor, stage=Stage.UNNAME, since=None))
        if cursor.round > _MOST_ROUNDS:
            return Finished(job.progress.result, failure="The subject's events came back in every round. Resume it.")
        return _chunk(_Intent(), replace(cursor, stage=Stage.FLIGHT, found=0))

    async def _of(self, job: Job, subject: str, name: str) -> list[Event]:
        """The events of an object that are meant."""
        try:
            events = await self._places.spool.get(name)
        except (NotFound, Malformed):
            return []  # brought to the log meanwhile, or not to be read by anybody
        return [event for event in events if _is_meant(job, subject)(event)]

    async def _rewrite(self, job: Job, subject: str, name: str) -> None:
        """Put the object again without what is meant: under its name, so that it keeps its place in the order."""
        try:
            events = await self._places.spool.get(name)
        except (NotFound, Malformed):
            return
        is_meant = _is_meant(job, subject)
        kept = [event for event in events if not is_meant(event)]
        if len(kept) == len(events):
            return
        # A mark without its events would send what comes next of the key through the spool, for nothing.
        left = {event.partition_key for event in kept if event.tenant == job.tenant}
        gone = {event.partition_key for event in events if is_meant(event)} - left
        await self._places.backlog.leave(job.tenant, sorted(gone), spooled=name)
        await self._places.spool.exchange(name, events, kept, within=_PUT_SECONDS)

    async def _consumed(self, job: Job, cursor: _Cursor) -> Chunk | Wait | Finished:
        """Until every consumer has read what was in its topic when it was its turn."""
        if cursor.watched == len(self._places.watched):
            return _chunk(_Intent(), replace(cursor, stage=Stage.ROWS, after=None))
        watched = self._places.watched[cursor.watched]
        if cursor.ends is None:
            return _chunk(_Intent(), replace(cursor, ends=await watched.reader.ends(), since=self._clock.now()))
        behind = await watched.consumers.behind(cursor.ends)
        if not behind:
            return _chunk(_Intent(), replace(cursor, watched=cursor.watched + 1, ends=None))
        message = f"For {behind} records of {watched.topic.name} that are not stored yet."
        if self._is_late(cursor):
            return Finished(job.progress.result, failure=f"{message} Resume it once they are.")
        return Wait(_POLL_SECONDS, message, plain(cursor))

    async def _rows(self, job: Job, subject: str, cursor: _Cursor, limit: int) -> Chunk:
        found = await self._places.remains.rows(job.tenant, subject, job.created_at, after=cursor.after, limit=limit)
        stage = Stage.LETTERS if found.after is None else Stage.ROWS
        following = replace(cursor, stage=stage, after=found.after, found=cursor.found + len(found.rows))
        return _chunk(_Intent(rows=found.rows), following, looked=found.looked)

    async def _letters(self, job: Job, subject: str, cursor: _Cursor, limit: int) -> Chunk:
        letters = await self._places.remains.letters(job.tenant, subject, job.created_at, limit=limit)
        stage = Stage.LETTERS if letters else Stage.EXPIRE
        following = replace(cursor, stage=stage, found=cursor.found + len(letters))
        return _chunk(_Intent(letters=letters), following, looked=len(letters))

    async def _proved(self, job: Job, subject: str, cursor: _Cursor) -> Wait | Finished:
        """The proof, once no older job names the subject: one at work is waited for, and loses the name when it ends.

        A younger one is not: who names the subject after the erasure was asked for means what came later.
        """
        naming = await self._places.remains.naming(job.tenant, subject, before=job.id)
        if not naming:
            return Finished(self._proof(job, subject), spec={"subject_hash": self._digest(job, subject)})
        message = f"For {naming} older jobs that name the subject, and are at work."
        if self._is_late(cursor):
            # Who resumes it has the name taken from those that are over by then, and the patience begins anew.
            again = plain(replace(cursor, stage=Stage.UNNAME, since=None))
            return Finished(job.progress.result, failure=f"{message} Resume it once they are over.", cursor=again)
        return Wait(_POLL_SECONDS, message, plain(replace(cursor, stage=Stage.UNNAME)))

    def _is_late(self, cursor: _Cursor) -> bool:
        return cursor.since is not None and self._clock.now() > cursor.since + _PATIENCE

    def _digest(self, job: Job, subject: str) -> str:
        return self._erasures.digest(job.tenant, subject)

    def _proof(self, job: Job, subject: str) -> dict[str, Any]:
        now = self._clock.now()
        kept = {each.topic.name: now + timedelta(hours=each.topic.longest_hours) for each in self._places.watched}
        return job.progress.result | {
            "subject_hash": self._digest(job, subject),
            "asked_by": job.created_by,
            "asked_at": job.created_at.isoformat(),
            "verified_at": now.isoformat(),
            "left": plain(Removed()),
            "log_keeps_until": {name: until.isoformat() for name, until in kept.items()},
        }


def _is_meant(job: Job, subject: str) -> Callable[[Event], bool]:
    def is_meant(event: Event) -> bool:
        return event.tenant == job.tenant and event.subject == subject and event.received_at <= job.created_at

    return is_meant


def _chunk(intent: _Intent, cursor: _Cursor, *, looked: int = 0) -> Chunk:
    return Chunk(intent=plain(intent), cursor=plain(cursor), looked=looked)
