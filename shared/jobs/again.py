"""Bringing events into the log again, each once, whatever happens in between."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from shared.events.envelope import decode
from shared.events.model import Appended, Event, RawRecord
from shared.events.ports import EventLog
from shared.jobs.model import plain, read
from shared.jobs.ports import LogReader, Span
from shared.jobs.work import Unfinished
from shared.kit.deadline import Deadline
from shared.kit.errors import Malformed, NotFound, Unavailable

_AT_ONCE = 1000
_SECONDS = 20.0  # of a step's 58: enough is left for one more read, and to append


class _Sought(msgspec.Struct, frozen=True):
    """Of an intent: behind which `ends` its events are looked for, and which of them are known to be `there`."""

    ends: dict[int, int]
    there: set[str] = msgspec.field(default_factory=set)


class Again:
    """Appends events that carry the job's mark, `<job id>:<name>`, by which they are known in the log."""

    def __init__(self, log: EventLog, reader: LogReader, *, seconds: float = _SECONDS) -> None:
        """`seconds`: how long a call may look through the log."""
        self._log = log
        self._reader = reader
        self._seconds = seconds

    async def ends(self) -> dict[int, int]:
        """Where the log ends: what is appended from now on lies behind.

        Raises:
            Unavailable: no broker answers.
        """
        return await self._reader.ends()

    async def append(self, job: UUID, events: Mapping[str, Event], intent: dict[str, Any], *, again: bool) -> None:
        """Have each of `events` in the log once, under its name, behind the `ends` of `intent`.

        `again`: some of them may be there already, and those that are stay alone. What the log has given up by then
        cannot be looked through, and counts as not there.

        Raises:
            Unavailable: not all of them are known to be there. To be called `again`, but not before a request that is
                on its way to a broker has had time to arrive.
            Unfinished: what lies there is more than can be looked through now. Nothing was appended.
        """
        there = await self._names(job, events, read(intent, _Sought)) if again else set()
        missing = [
            replace(event, job=f"{job}:{name}", waiter=None) for name, event in events.items() if name not in there
        ]
        if not missing:
            return
        answers = await self._log.append(missing)
        if not all(isinstance(answer, Appended) for answer in answers):
            raise Unavailable("The log did not say that it has every event.", retry_after_seconds=2)

    async def _names(self, job: UUID, events: Mapping[str, Event], sought: _Sought) -> set[str]:
        """The names of those of the job's `events` that lie behind `ends`."""
        mark, found, deadline = f"{job}:", sought.there & set(events), Deadline(self._seconds)
        now, at = await self._reader.ends(), dict(sought.ends)
        while len(found) < len(events) and any(at.get(partition, 0) < end for partition, end in now.items()):
            span = await self._read(at, now)
            found |= {name for name in _marked(mark, span.records) if name in events}
            at |= span.next
            if deadline.left() == 0:
                raise Unfinished(plain(_Sought(ends=at, there=found)))
        return found

    async def _read(self, at: dict[int, int], now: dict[int, int]) -> Span:
        """What comes next. Where the log has given that up, `at` is taken to the first that there is."""
        try:
            return await self._reader.read(at, now, records=_AT_ONCE)
        except NotFound:
            starts = await self._reader.starts()
            at |= {partition: max(start, at.get(partition, 0)) for partition, start in starts.items()}
            return await self._reader.read(at, now, records=_AT_ONCE)


def _marked(mark: str, records: Sequence[RawRecord]) -> Iterator[str]:
    """The names of those of `records` that carry the job's mark."""
    for record in records:
        # Most of what lies there is not ours: bytes are looked through before they are decoded.
        if record.value is None or mark.encode() not in record.value:
            continue
        try:
            event = decode(record.value)
        except Malformed:
            continue
        if event.job is not None and event.job.startswith(mark):
            yield event.job.removeprefix(mark)
