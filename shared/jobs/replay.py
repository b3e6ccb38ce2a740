"""Events of a span of time, brought again: stored where their row is missing, or appended for all who read the log."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from shared.events.envelope import decode
from shared.events.model import LogRecord, Outcome, StoredEvent
from shared.events.ports import EventReader, EventStore, Keyset, Refused
from shared.jobs.again import Again
from shared.jobs.erased import erased
from shared.jobs.model import Chunk, Job, plain, read
from shared.jobs.ports import READ_BYTES, Erasures, LogReader, Rows
from shared.jobs.replayed import (
    Cursor,
    Intent,
    Named,
    ReplaySpec,
    is_copy,
    is_gone,
    is_within,
    keyset,
    meant,
    name_of,
    place_of,
    to_append,
    to_store,
    told,
    weight,
)
from shared.jobs.work import Finished, Moved, Plan
from shared.kit.clock import Clock
from shared.kit.errors import NotFound, Unavailable

_SAMPLE, _SHOWN = 10, 100
_LOOKED = 5000  # records of the log, or rows, that a chunk may pass over
_LOOKED_BYTES = 32 * 1024 * 1024
_READ = 500
_FIRST_PAGE, _LARGEST_PAGE = 16, 100  # rows: 4 MB of the largest, and what a page may be where rows were small so far
_SKEW = timedelta(minutes=1)
"""By which the clock of who received an event may be ahead of the clock of who appended it."""

_MARGIN = timedelta(hours=1)
"""By which records may be out of order in time. Places decide; this only bounds which rows are looked at."""

_LOST = "The log has given up records before they were read. Of what storage lacked there, nothing is left to store."


@dataclass(frozen=True, slots=True)
class Storage:
    """Rows, as they are read, written and asked for."""

    reader: EventReader
    store: EventStore
    rows: Rows


class Replay:
    """Reads the log as far as it has the span, and then storage for what the log has no more.

    The log is asked from the moment on at which the span begins, however old the span is: a record's time is that of
    its append, and an event that came by the spool, or was redriven, was received long before. A row is taken from
    storage if, and only if, the log has the record no more that it was stored from; so nothing is brought from both.
    The log is first, because it forgets.
    """

    def __init__(self, log: LogReader, again: Again, storage: Storage, erasures: Erasures, clock: Clock) -> None:
        self._log = log
        self._again = again
        self._storage = storage
        self._erasures = erasures
        self._clock = clock
        self._held: tuple[UUID, dict[str, Any], Named] | None = None  # what a chunk that is carried out now needs

    async def plan(self, job: Job) -> Plan:
        """The total is what storage counts of the tenant's own: what storage lacks comes on top.

        None where the counts do not tell, or where storage has what a replay of what is missing cannot look at.
        """
        spec = read(job.spec, ReplaySpec)
        at = await self._log.since(spec.since - _SKEW)
        starts, ends = await self._log.starts(), await self._log.ends()
        cut = {partition: offset for partition, offset in at.items() if 0 < offset <= starts.get(partition, 0)}
        gone = {partition: [(0, offset)] for partition, offset in cut.items()}
        held = await self._last_before(cut, ends) if cut else None
        total = await self._storage.rows.counted(job.tenant, spec.where()) if spec.mode == "force" or not cut else None
        return Plan(plain(Cursor(at=at, ends=ends, gone=gone, held=held)), total)

    async def look(self, job: Job, limit: int) -> Chunk | Finished:
        spec, cursor = read(job.spec, ReplaySpec), read(job.progress.cursor, Cursor)
        try:
            chunk = await self._from_log(job, spec, cursor, limit)
        except NotFound:
            cursor = await self._passed(cursor)
            chunk = await self._from_log(job, spec, cursor, limit)
        if chunk is None and spec.mode == "force" and cursor.gone:
            chunk = await self._from_storage(job, spec, cursor, limit)
        failure = _LOST if cursor.lost and spec.mode == "if_missing" else None
        return chunk or Finished(told(job.progress.result, cursor), failure=failure)

    async def carry_out(self, job: Job, intent: dict[str, Any], *, again: bool) -> Moved:
        begun, spec = read(intent, Intent), read(job.spec, ReplaySpec)
        found, lost = await self._named(job, intent)
        gone = await erased(self._erasures, job.tenant, {name: each.event for name, each in found.items()})
        named = {name: each for name, each in found.items() if name not in gone}
        failed = lost
        if job.is_dry:
            pass
        elif spec.mode == "force":
            events = {name: each.event for name, each in named.items()}
            await self._again.append(job.id, events, intent, again=again)
        else:
            failed = [*lost, *await self._stored(named)]
        done = [name for name in named if name not in failed]
        result = job.progress.result
        result = result | {"sample": [*result.get("sample", ()), *(named[name].event.id for name in done)][:_SAMPLE]}
        if failed:
            result["failed_positions"] = [*result.get("failed_positions", ()), *failed][:_SHOWN]
        skipped = begun.skipped + len(begun.names) - len(done) - len(failed)
        return Moved(result, done=len(done), skipped=skipped, failed=len(failed), moved=0 if job.is_dry else len(done))

    async def _stored(self, named: Named) -> list[str]:
        """Store them where they were in the log; the names of those that storage refuses."""
        failed: list[str] = []
        while left := [name for name in named if name not in failed]:
            answer = await self._storage.store.store([named[name] for name in left])
            if not isinstance(answer, Refused):
                if Outcome.UNAVAILABLE in answer:
                    raise Unavailable("The database does not answer.")
                break
            if not answer.reasons:
                raise Unavailable("The database does not say what it refuses.")
            failed += [left[place] for place in answer.reasons]
        return failed

    async def _last_before(self, at: Mapping[int, int], ends: Mapping[int, int]) -> datetime:
        """Until when what lay before `at` may have been appended: the records there were appended next."""
        if any(offset >= ends.get(partition, 0) for partition, offset in at.items()):
            return self._clock.now()
        place, behind, times = dict(at), {partition: offset + 1 for partition, offset in at.items()}, []
        try:
            while place != behind:
                span = await self._log.read(place, behind, records=len(behind))
                times += [record.timestamp_ms for record in span.records]
                place |= span.next
        except NotFound:
            return self._clock.now()
        return datetime.fromtimestamp(max(times) / 1000, self._clock.now().tzinfo) if times else self._clock.now()

    async def _passed(self, cursor: Cursor) -> Cursor:
        """Where to go on after the log has given up what comes next."""
        cut = await self._cut(cursor.at, cursor.ends)
        gone = {partition: [*spans] for partition, spans in cursor.gone.items()}
        for partition, offset in cut.items():
            gone.setdefault(partition, []).append((cursor.at.get(partition, 0), offset))
        held = await self._last_before(cut, cursor.ends)
        held = held if cursor.held is None else max(held, cursor.held)
        return replace(cursor, at=cursor.at | cut, gone=gone, held=held, lost=True)

    async def _cut(self, at: Mapping[int, int], ends: Mapping[int, int]) -> dict[int, int]:
        """Where the log goes on, in those partitions that do not have `at` any more."""
        starts = await self._log.starts()
        upto = {partition: min(starts.get(partition, 0), end) for partition, end in ends.items()}
        cut = {partition: offset for partition, offset in upto.items() if at.get(partition, 0) < offset}
        if not cut:
            raise Unavailable("The log does not say what it has given up.", retry_after_seconds=2)
        return cut

    async def _from_storage(self, job: Job, spec: ReplaySpec, cursor: Cursor, limit: int) -> Chunk | None:
        """The next rows with up to `limit` that the log has no more; None where there are no rows."""
        until = None if cursor.held is None else cursor.held + _MARGIN
        named: Named = {}
        last, size, looked = cursor.after, 0, 0
        async for row in self._rows(job, spec, until, cursor.after):
            if is_gone(cursor.gone, row.position):
                size += weight(row.event)
                if named and size > READ_BYTES:
                    break
                named[name_of(row.position)] = LogRecord(row.event, row.position)
            last, looked = keyset(row), looked + 1
            if len(named) == limit or looked == _LOOKED:
                break
        if not looked:
            return None
        intent = Intent(names=[*named], after=cursor.after, last=last, ends=await self._ends(job))
        return self._chunk(job, intent, named, replace(cursor, after=last))

    async def _rows(
        self, job: Job, spec: ReplaySpec, until: datetime | None, after: Keyset | None
    ) -> AsyncIterator[StoredEvent]:
        """Rows in their order beyond `after`, read by few where they are large."""
        number = _FIRST_PAGE
        while True:
            page = await self._storage.reader.page(
                job.tenant, spec.where(until), after=after, limit=number, descending=False
            )
            for row in page:
                yield row
            if len(page) < number:
                return
            after, mean = keyset(page[-1]), sum(weight(row.event) for row in page) // len(page)
            number = max(1, min(_LARGEST_PAGE, READ_BYTES // mean))

    async def _from_log(self, job: Job, spec: ReplaySpec, cursor: Cursor, limit: int) -> Chunk | None:
        """The next records with up to `limit` events that are meant; None where there are no records."""
        at, looked, passed, size = dict(cursor.at), 0, 0, 0
        found: Named = {}
        while len(found) < limit and looked < _LOOKED and size < READ_BYTES and passed < _LOOKED_BYTES:
            records = min(_READ, limit - len(found))
            span = await self._log.read(at, cursor.ends, records=records, size=READ_BYTES - size)
            for record in span.records:
                passed += len(record.value or b"")
                event = meant(job, spec, record)
                if event is not None:
                    found[name_of(place_of(record))] = LogRecord(event, place_of(record))
                    size += len(record.value or b"")
            moved = sum(following - at.get(partition, 0) for partition, following in span.next.items())
            at |= span.next
            looked += moved
            if not moved:
                break
        if not looked:
            return None
        named, skipped = await self._chosen(spec, found, cursor)
        ends = await self._ends(job) if spec.mode == "force" else {}
        intent = Intent(names=[*named], skipped=skipped, span=(dict(cursor.at), at), ends=ends)
        return self._chunk(job, intent, named, replace(cursor, at=at))

    async def _chosen(self, spec: ReplaySpec, found: Named, cursor: Cursor) -> tuple[Named, int]:
        """Those that are brought, and how many others there are that are no copies."""
        if not found:
            return {}, 0
        events = [each.event for each in found.values()]
        if spec.mode == "force":
            chosen = to_append(found, await self._storage.rows.places(events), cursor.ends)
        else:
            chosen = to_store(found, await self._storage.rows.missing(events))
        named = {name: each for name, each in found.items() if name in chosen}
        return named, sum(name not in chosen and not is_copy(each.event) for name, each in found.items())

    def _chunk(self, job: Job, intent: Intent, named: Named, cursor: Cursor) -> Chunk:
        """Only the tenant's own events are counted: how much else there is, is nobody's business."""
        written_down = plain(intent)
        self._held = (job.id, written_down, named)
        return Chunk(intent=written_down, cursor=plain(cursor), looked=len(named) + intent.skipped)

    async def _named(self, job: Job, intent: dict[str, Any]) -> tuple[Named, list[str]]:
        """The events that are meant, in their order: at hand, or read again; and those that the log has lost since."""
        held, self._held = self._held, None
        if held is not None and held[:2] == (job.id, intent):
            return held[2], []
        begun, spec = read(intent, Intent), read(job.spec, ReplaySpec)
        found, lost = await (self._rows_again(job, spec, begun) if begun.last else self._records_again(begun))
        return {name: found[name] for name in begun.names if name in found}, lost

    async def _rows_again(self, job: Job, spec: ReplaySpec, begun: Intent) -> tuple[Named, list[str]]:
        """By their names, up to the last row: others may have come in between. Those that are gone were removed."""
        wanted = set(begun.names)
        found: Named = {}
        async for row in self._rows(job, spec, None, begun.after):
            if len(found) == len(wanted) or begun.last is None or not is_within(row, begun.last):
                break
            if (name := name_of(row.position)) in wanted:
                found[name] = LogRecord(row.event, row.position)
        return found, []

    async def _records_again(self, begun: Intent) -> tuple[Named, list[str]]:
        """By their places. Nobody can tell any more what became of those that the log has given up since."""
        (at, upto), wanted = begun.span, set(begun.names)
        found: Named = {}
        while any(at.get(partition, 0) < end for partition, end in upto.items()):
            try:
                span = await self._log.read(at, upto, records=_READ)
            except NotFound:
                at = at | await self._cut(at, upto)
                continue
            for record in span.records:
                if (name := name_of(place_of(record))) in wanted:
                    found[name] = LogRecord(decode(record.value), place_of(record))
            at = at | span.next
        return found, [name for name in begun.names if name not in found]

    async def _ends(self, job: Job) -> dict[int, int]:
        return {} if job.is_dry else await self._again.ends()
