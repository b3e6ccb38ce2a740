"""Bringing spooled events back to the log, in their order."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from itertools import batched

import msgspec

from shared.events.admission import Backlog
from shared.events.limits import MAX_BATCH_BYTES
from shared.events.model import Appended, Event
from shared.events.ports import EventLog
from shared.events.spool import Spool
from shared.kit.deadline import Deadline
from shared.kit.errors import Malformed, NotFound, Unavailable

_LOG = logging.getLogger(__name__)

_LISTED = 1000
_AT_ONCE = 16  # objects in memory: 64 MB of events if each is the largest request
_KEPT_SECONDS = 9.0  # what those may take at worst: 3 to get, 2 to append, 1 to unmark, 3 to remove
_ENVELOPE_BYTES = 500


class Drained(msgspec.Struct, frozen=True):
    """How many objects and events were brought back. `finished` is False while some may be left in the spool."""

    objects: int
    events: int
    finished: bool


class _Object(msgspec.Struct, frozen=True):
    name: str
    events: list[Event]


class Drain:
    """Empties the spool into the log.

    The oldest objects go first, and later ones only when all their events are in the log: so events of one key keep
    their order. Two drains at once do no harm. Whichever appends an event first, nothing of a later object stands
    before it, and the copy that comes after it is absorbed by storage. The spool's own list is the truth: whoever wakes
    a drain need not say what for.

    Under load most keys have something in the spool, and send what is new there too; a drain that is slower than they
    are never ends. So small objects share their round trips.
    """

    def __init__(self, spool: Spool, log: EventLog, backlog: Backlog) -> None:
        self._spool = spool
        self._log = log
        self._backlog = backlog

    async def __call__(self, deadline: Deadline) -> Drained:
        """Bring back as much as there is time for. Does not raise for an absent part: then it has not finished."""
        objects = events = 0
        try:
            while names := await self._spool.names(_LISTED):
                for few in batched(names, _AT_ONCE, strict=False):
                    if deadline.left() < _KEPT_SECONDS:
                        return Drained(objects, events, finished=False)
                    found, whole = await self._got(few)
                    for some in _together(found):
                        done = await self._brought(some, deadline)
                        objects, events = objects + len(done), events + sum(len(each.events) for each in done)
                        if len(done) < len(some):
                            return Drained(objects, events, finished=False)
                    if not whole:
                        return Drained(objects, events, finished=False)
        except Unavailable:
            return Drained(objects, events, finished=False)
        return Drained(objects, events, finished=True)

    async def _got(self, names: Sequence[str]) -> tuple[list[_Object], bool]:
        """The objects that there are, up to the first that cannot be had for now; and whether there was none such."""
        found: list[_Object] = []
        answers = await asyncio.gather(*(self._spool.get(name) for name in names), return_exceptions=True)
        for name, answer in zip(names, answers, strict=True):
            match answer:
                case list():
                    found.append(_Object(name, answer))
                case NotFound():  # another drain was faster
                    pass
                case Malformed():
                    # Nothing of ours, and nothing that waiting would mend: the others must not wait for it.
                    _LOG.error("drain.unreadable", extra={"object": name})
                    await self._spool.set_aside(name)
                case Unavailable():
                    return found, False
                case _:
                    raise answer
        return found, True

    async def _brought(self, objects: Sequence[_Object], deadline: Deadline) -> list[_Object]:
        """Those, from the front, whose events are all in the log now. They are gone from the spool."""
        answers = iter(
            await self._log.append([event for each in objects for event in each.events], within=deadline.left())
        )
        done: list[_Object] = []
        for each in objects:
            if not all([isinstance(next(answers), Appended) for _ in each.events]):
                break
            done.append(each)
        # Unmarked first: without its object a mark would keep its key waiting for nothing.
        for each in done:
            for tenant in {event.tenant for event in each.events}:
                keys = sorted({event.partition_key for event in each.events if event.tenant == tenant})
                await self._backlog.leave(tenant, keys, spooled=each.name)
        await self._spool.remove([each.name for each in done])
        return done


def _together(objects: Sequence[_Object]) -> Iterator[list[_Object]]:
    """Runs of objects that are not more to append than one request may be. One that is larger goes alone."""
    run: list[_Object] = []
    room = MAX_BATCH_BYTES
    for each in objects:
        size = sum(_ENVELOPE_BYTES + len(event.data) + len(event.data_base64 or "") for event in each.events)
        if run and size > room:
            yield run
            run, room = [], MAX_BATCH_BYTES
        run.append(each)
        room -= size
    if run:
        yield run
