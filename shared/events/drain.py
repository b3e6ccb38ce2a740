"""Bringing spooled events back to the log, in their order."""

import logging

import msgspec

from shared.events.admission import Backlog
from shared.events.model import Appended
from shared.events.ports import EventLog
from shared.events.spool import Spool
from shared.kit.deadline import Deadline
from shared.kit.errors import Malformed, NotFound, Unavailable

_LOG = logging.getLogger(__name__)

_AT_ONCE = 100
_KEPT_SECONDS = 5.0  # what one object may take: append, take the mark away, remove


class Drained(msgspec.Struct, frozen=True):
    """How many objects and events were brought back. `finished` is False while some may be left in the spool."""

    objects: int
    events: int
    finished: bool


class Drain:
    """Empties the spool into the log.

    The oldest object goes first, and the next one only when all its events are in the log: so events of one key keep
    their order. Two drains at once do no harm. Whichever appends an event first, nothing of a later object stands
    before it, and the copy that comes after it is absorbed by storage. The spool's own list is the truth: whoever wakes
    a drain need not say what for.
    """

    def __init__(self, spool: Spool, log: EventLog, backlog: Backlog) -> None:
        self._spool = spool
        self._log = log
        self._backlog = backlog

    async def __call__(self, deadline: Deadline) -> Drained:
        """Bring back as much as there is time for. Does not raise for an absent part: then it has not finished."""
        objects = events = 0
        try:
            while names := await self._spool.names(_AT_ONCE):
                for name in names:
                    if deadline.left() < _KEPT_SECONDS:
                        return Drained(objects, events, finished=False)
                    found = await self._one(name, deadline)
                    if found is None:
                        return Drained(objects, events, finished=False)
                    objects, events = objects + 1, events + found
        except Unavailable:
            return Drained(objects, events, finished=False)
        return Drained(objects, events, finished=True)

    async def _one(self, name: str, deadline: Deadline) -> int | None:
        """How many events of the object are in the log now; None where not all of them are."""
        try:
            events = await self._spool.get(name)
        except NotFound:  # another drain was faster
            return 0
        except Malformed:
            # Nothing of ours, and nothing that waiting would mend: the others must not wait for it.
            _LOG.error("drain.unreadable %s", name)
            await self._spool.set_aside(name)
            return 0
        answers = await self._log.append(events, within=deadline.left())
        if not all(isinstance(answer, Appended) for answer in answers):
            return None
        tenants = {event.tenant for event in events}
        for tenant in tenants:
            keys = sorted({event.partition_key for event in events if event.tenant == tenant})
            await self._backlog.leave(tenant, keys, spooled=name)
        await self._spool.remove(name)
        return len(events)
