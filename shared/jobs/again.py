"""Bringing events into the log again, each once, whatever happens in between."""

from collections.abc import Mapping
from uuid import UUID

from msgspec.structs import replace

from shared.events.envelope import decode
from shared.events.model import Appended, Event
from shared.events.ports import EventLog
from shared.jobs.ports import LogReader
from shared.kit.errors import Malformed, Unavailable

_AT_ONCE = 1000


class Again:
    """Appends events that carry the job's mark, `<job id>:<name>`, by which they are known in the log."""

    def __init__(self, log: EventLog, reader: LogReader) -> None:
        self._log = log
        self._reader = reader

    async def ends(self) -> dict[int, int]:
        """Where the log ends: what is appended from now on lies behind.

        Raises:
            Unavailable: no broker answers.
        """
        return await self._reader.ends()

    async def append(self, job: UUID, events: Mapping[str, Event], ends: Mapping[int, int], *, again: bool) -> None:
        """Have each of `events` in the log once, under its name, behind `ends`.

        `again`: some of them may be there already, and those that are stay alone.

        Raises:
            Unavailable: not all of them are known to be there. To be called `again`, but not before a request that is
                on its way to a broker has had time to arrive.
        """
        there = await self._names(job, ends) if again else set()
        missing = [
            replace(event, job=f"{job}:{name}", waiter=None) for name, event in events.items() if name not in there
        ]
        if not missing:
            return
        answers = await self._log.append(missing)
        if not all(isinstance(answer, Appended) for answer in answers):
            raise Unavailable("The log did not say that it has every event.", retry_after_seconds=2)

    async def _names(self, job: UUID, ends: Mapping[int, int]) -> set[str]:
        """The names of the job's events behind `ends`."""
        mark, found = f"{job}:", set()
        now, at = await self._reader.ends(), dict(ends)
        while any(at.get(partition, 0) < end for partition, end in now.items()):
            span = await self._reader.read(at, now, records=_AT_ONCE)
            for record in span.records:
                # Most of what lies there is not ours: bytes are looked through before they are decoded.
                if record.value is None or mark.encode() not in record.value:
                    continue
                try:
                    event = decode(record.value)
                except Malformed:
                    continue
                if event.job is not None and event.job.startswith(mark):
                    found.add(event.job.removeprefix(mark))
            at |= span.next
        return found
