"""Events of a span of time, brought again: stored where their row is missing, or appended for all who read the log."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from shared.events.envelope import decode
from shared.events.model import Event, LogRecord, Moment, Outcome, Position, RawRecord, StoredEvent, written
from shared.events.ports import EventFilter, EventReader, EventStore, Keyset, Refused
from shared.events.topics import Topic
from shared.jobs.again import Again
from shared.jobs.erased import erased
from shared.jobs.model import Chunk, Job, plain, read
from shared.jobs.ports import Erasures, LogReader, Rows
from shared.jobs.work import Finished, Moved, Plan
from shared.kit.clock import Clock
from shared.kit.errors import Malformed, NotFound, Unavailable

_SAMPLE, _SHOWN = 10, 100
_LOOKED = 5000  # records of the log that a chunk may pass over
_READ = 500
_BYTES = 4 * 1024 * 1024
_ENVELOPE_BYTES = 500
_MARGIN = timedelta(hours=1)
"""Before a topic's retention ends: what is that old may be gone before it is read, and is taken from storage."""

_COPY = "@"
_LOST = "The log has given up records before they were read. Begin another replay: storage has those events."


class ReplaySpec(msgspec.Struct, frozen=True, kw_only=True):
    """Which events, and what for."""

    since: Moment = msgspec.field(name="from")
    until: Moment = msgspec.field(name="to")
    filter: EventFilter = EventFilter()
    mode: Literal["if_missing", "force"] = "if_missing"


@dataclass(frozen=True, slots=True)
class Storage:
    """Rows, as they are read, written and asked for."""

    reader: EventReader
    store: EventStore
    rows: Rows


class _Cursor(msgspec.Struct, frozen=True, kw_only=True):
    """Storage first, as far as the log is not asked: received before `held`. Then the log, from `at` to `ends`."""

    held: datetime | None
    stored: bool
    after: Keyset | None = None
    at: dict[int, int]
    ends: dict[int, int]


class _Intent(msgspec.Struct, frozen=True, kw_only=True):
    """`names` of the events that are meant, and where they are read: rows beyond `after`, else records of `span`."""

    names: list[str]
    skipped: int
    from_storage: bool
    after: Keyset | None = None
    rows: int = 0
    span: tuple[dict[int, int], dict[int, int]] = ({}, {})
    ends: dict[int, int]


type _Named = dict[str, LogRecord]


class Replay:
    """Reads the log while it has the span, and storage for what is older.

    Events are named by their place in the log, `<partition>@<offset>`. A copy that a replay brought carries such a
    name, and is not brought again: its original is.
    """

    def __init__(
        self,
        topic: Topic,
        log: LogReader,
        again: Again,
        storage: Storage,
        erasures: Erasures,
        clock: Clock,
    ) -> None:
        self._retention = timedelta(hours=topic.retention_hours)
        self._log = log
        self._again = again
        self._storage = storage
        self._erasures = erasures
        self._clock = clock
        self._held: tuple[UUID, dict[str, Any], _Named] | None = None  # what a chunk that is carried out now needs

    async def plan(self, job: Job) -> Plan:
        spec = read(job.spec, ReplaySpec)
        starts, ends = await self._log.starts(), await self._log.ends()
        held = self._clock.now() - self._retention + _MARGIN if any(starts.values()) else None
        since = spec.since if held is None else max(spec.since, held)
        stored = spec.mode == "force" and since > spec.since
        at = ends if since >= spec.until else await self._log.since(since)
        total: int | None = sum(max(0, ends[partition] - offset) for partition, offset in at.items())
        if stored and total is not None:
            counted = await self._storage.rows.counted(job.tenant, _where(spec, held))
            total = None if counted is None else total + counted
        cursor = _Cursor(held=held if since > spec.since else None, stored=stored, at=at, ends=ends)
        return Plan(plain(cursor), total)

    async def look(self, job: Job, limit: int) -> Chunk | Finished:
        spec, cursor = read(job.spec, ReplaySpec), read(job.progress.cursor, _Cursor)
        if cursor.stored:
            chunk = await self._from_storage(job, spec, cursor, limit)
            if chunk is not None:
                return chunk
            cursor = replace(cursor, stored=False)
        try:
            chunk = await self._from_log(job, spec, cursor, limit)
        except NotFound:
            return Finished(job.progress.result, failure=_LOST)
        return chunk or Finished(_told(job.progress.result, cursor))

    async def carry_out(self, job: Job, intent: dict[str, Any], *, again: bool) -> Moved:
        meant = read(intent, _Intent)
        named = await self._named(job, intent)
        gone = await erased(self._erasures, job.tenant, {name: each.event for name, each in named.items()})
        named = {name: each for name, each in named.items() if name not in gone}
        failed: list[str] = []
        if job.is_dry:
            pass
        elif read(job.spec, ReplaySpec).mode == "force":
            events = {name: each.event for name, each in named.items()}
            await self._again.append(job.id, events, meant.ends, again=again)
        else:
            failed = await self._stored(named)
        done = [name for name in named if name not in failed]
        result = job.progress.result
        result = result | {"sample": [*result.get("sample", ()), *(named[name].event.id for name in done)][:_SAMPLE]}
        if failed:
            result["failed_positions"] = [*result.get("failed_positions", ()), *failed][:_SHOWN]
        skipped = meant.skipped + len(meant.names) - len(named)
        return Moved(result, done=len(done), skipped=skipped, failed=len(failed), moved=0 if job.is_dry else len(done))

    async def _stored(self, named: _Named) -> list[str]:
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

    async def _from_storage(self, job: Job, spec: ReplaySpec, cursor: _Cursor, limit: int) -> Chunk | None:
        page = await self._page(job, spec, cursor.held, cursor.after, limit)
        if not page:
            return None
        named = {_name(each.position): LogRecord(each.event, each.position) for each in page}
        last = Keyset(page[-1].event.received_at, str(page[-1].event.key))
        intent = _Intent(
            names=[*named],
            skipped=0,
            from_storage=True,
            after=cursor.after,
            rows=len(page),
            ends=await self._ends(job),
        )
        return self._chunk(job, intent, named, replace(cursor, after=last), len(page))

    async def _page(
        self, job: Job, spec: ReplaySpec, held: datetime | None, after: Keyset | None, limit: int
    ) -> list[StoredEvent]:
        where = _where(spec, held)
        page = await self._storage.reader.page(job.tenant, where, after=after, limit=limit, descending=False)
        return list(_within(page, _BYTES))

    async def _from_log(self, job: Job, spec: ReplaySpec, cursor: _Cursor, limit: int) -> Chunk | None:
        """The next records with up to `limit` events that are meant; None where there are no records."""
        at, passed, looked, size = dict(cursor.at), 0, 0, 0
        named: _Named = {}
        while len(named) < limit and looked < _LOOKED and size < _BYTES:
            span = await self._log.read(at, cursor.ends, records=min(_READ, limit - len(named)))
            for record in span.records:
                event = _meant(job, spec, record)
                if event is not None:
                    named[_name(Position(record.partition, record.offset))] = _record(event, record)
                    size += len(record.value or b"")
            moved = sum(following - at.get(partition, 0) for partition, following in span.next.items())
            at |= span.next
            looked += moved
            if not moved:
                break
        if not looked:
            return None
        if spec.mode == "if_missing":
            missing = await self._storage.rows.missing([each.event for each in named.values()]) if named else set()
            passed = sum(each.event.key not in missing for each in named.values())
            named = {name: each for name, each in named.items() if each.event.key in missing}
        ends = await self._ends(job) if spec.mode == "force" else {}
        intent = _Intent(names=[*named], skipped=passed, from_storage=False, span=(dict(cursor.at), at), ends=ends)
        return self._chunk(job, intent, named, replace(cursor, at=at), looked)

    def _chunk(self, job: Job, intent: _Intent, named: _Named, cursor: _Cursor, looked: int) -> Chunk:
        written_down = plain(intent)
        self._held = (job.id, written_down, named)
        return Chunk(intent=written_down, cursor=plain(cursor), looked=looked)

    async def _named(self, job: Job, intent: dict[str, Any]) -> _Named:
        """The events that are meant, in their order: at hand, or read again. Some may be gone by then."""
        held, self._held = self._held, None
        if held is not None and held[:2] == (job.id, intent):
            return held[2]
        meant, spec = read(intent, _Intent), read(job.spec, ReplaySpec)
        if meant.from_storage:
            cursor = read(job.progress.cursor, _Cursor)
            page = await self._page(job, spec, cursor.held, meant.after, meant.rows)
            found = {_name(each.position): LogRecord(each.event, each.position) for each in page}
        else:
            found = await self._read_again(meant)
        return {name: found[name] for name in meant.names if name in found}

    async def _read_again(self, meant: _Intent) -> _Named:
        (at, upto), wanted, found = meant.span, set(meant.names), {}
        while any(at.get(partition, 0) < end for partition, end in upto.items()):
            span = await self._log.read(at, upto, records=_READ)
            for record in span.records:
                name = _name(Position(record.partition, record.offset))
                if name in wanted:
                    found[name] = _record(decode(record.value), record)
            at = at | span.next
        return found

    async def _ends(self, job: Job) -> dict[int, int]:
        return {} if job.is_dry else await self._again.ends()


def _meant(job: Job, spec: ReplaySpec, record: RawRecord) -> Event | None:
    """The event of `record`, if the job is about it."""
    if record.value is None or msgspec.json.encode(job.tenant) not in record.value:
        return None
    try:
        event = decode(record.value)
    except Malformed:
        return None  # a dead letter, if anything
    is_copy = spec.mode == "force" and event.job is not None and _COPY in event.job
    where = spec.filter
    fits = all(
        wanted is None or wanted == actual
        for wanted, actual in ((where.type, event.type), (where.source, event.source), (where.subject, event.subject))
    )
    is_meant = event.tenant == job.tenant and fits and spec.since <= event.received_at < spec.until and not is_copy
    return event if is_meant else None


def _record(event: Event, record: RawRecord) -> LogRecord:
    return LogRecord(event, Position(record.partition, record.offset))


def _name(position: Position) -> str:
    return f"{position.partition}{_COPY}{position.offset}"


def _where(spec: ReplaySpec, held: datetime | None) -> EventFilter:
    return replace(spec.filter, since=spec.since, until=spec.until if held is None else min(spec.until, held))


def _within(page: Iterable[StoredEvent], room: int) -> Iterator[StoredEvent]:
    """As many of the first as fit into `room` bytes, and one at least."""
    for number, each in enumerate(page):
        room -= _ENVELOPE_BYTES + len(written(each.event.data) or b"") + len(each.event.data_base64 or "")
        if number and room < 0:
            return
        yield each


def _told(result: Mapping[str, Any], cursor: _Cursor) -> dict[str, Any]:
    return dict(result) | ({} if cursor.held is None else {"log_asked_since": cursor.held.isoformat()})
