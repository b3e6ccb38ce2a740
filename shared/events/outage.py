"""The log with the spool behind it: where events go while no broker answers."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence

import msgspec

from shared.events.admission import Backlog
from shared.events.model import Appended, Event, NotAppended, Spooled
from shared.events.objects import object_name
from shared.events.ports import EventLog
from shared.events.spool import Spool
from shared.kit.clock import Clock
from shared.kit.deadline import Deadline
from shared.kit.errors import Unavailable
from shared.kit.idle import Idle
from shared.kit.ids import Ascending

LOG_SECONDS = 2.0
"""How long a request waits for the log before its events are spooled."""

_PUT_SECONDS = 2.0
_MARK_SECONDS = 0.2  # what the backlog may take
_PREPARE_SECONDS = 0.3  # of waiting for the log, after which it looks as if the spool will be needed
_PROBE_SECONDS = 2.0  # between two of them
_CHECK_SECONDS = 1.5  # what one may take, and a little more

_LOG = logging.getLogger(__name__)

type Answer = Appended | Spooled | NotAppended


class Durable(msgspec.Struct, frozen=True):
    """Where the events went, in the order given. `overtakes`: which of them could not be kept in the order of their
    key, against older ones or later ones."""

    answers: list[Answer]
    overtakes: frozenset[int] = frozenset()


class Breaker:
    """Remembers that the log is away, so that not every request waits for it. Only a sign of life makes it forget."""

    def __init__(self, between_probes: Idle | None = None) -> None:
        self._between_probes = between_probes or Idle(_PROBE_SECONDS)
        self._open = False

    @property
    def is_open(self) -> bool:
        """Whether the log is to be left alone."""
        return self._open

    def trip(self) -> None:
        """The log did not answer."""
        if not self._open:
            _LOG.warning("log.away")
        self._open = True
        self._between_probes.touch()

    def mend(self) -> None:
        """The log is well."""
        if self._open:
            _LOG.warning("log.back")
        self._open = False

    def wants_probe(self) -> bool:
        """Whether it is time to ask the log for a sign of life. True is said to one asker an interval."""
        due = self._open and self._between_probes.over()
        if due:
            self._between_probes.touch()
        return due


class SpoolingLog:
    """Appends to the log, and spools what it does not take.

    One request an environment waits for an absent log. The next ones are spooled at once; every 2 s one of them has a
    probe of the log beside its put, and when that succeeds the log is used again.
    """

    def __init__(
        self, log: EventLog, spool: Spool, backlog: Backlog, clock: Clock, *, breaker: Breaker | None = None
    ) -> None:
        self._log = log
        self._spool = spool
        self._backlog = backlog
        self._clock = clock
        self._breaker = breaker or Breaker()
        self._ids = Ascending()

    async def append(self, events: Sequence[Event], *, behind: Sequence[bool], within: float) -> Durable:
        """Append each of `events`, which are one tenant's, or spool it, and answer in the order given.

        Those that are `behind` older events in the spool are spooled too, and all others of their partition key with
        them, so that none overtakes another. An event whose outcome at the log is unknown is `NotAppended`, and so is
        every later one of its partition key that is not in the log: what the sender sends again must not come after
        them. Nothing else is done for an event that the spool does not take either. Returns within `within` seconds,
        leaves nothing running that sends, and never raises for an absent part.
        """
        if not events:  # which leaves the probe to one that can wait beside it
            return Durable([])
        deadline = Deadline(within)
        answers: list[Answer] = [NotAppended("not tried", sent=False)] * len(events)
        probes = within > _CHECK_SECONDS and self._breaker.wants_probe()
        if not self._breaker.is_open:
            held = {event.partition_key for event, so in zip(events, behind, strict=True) if so}
            direct = [index for index, event in enumerate(events) if event.partition_key not in held] if held else None
            await self._appended(events, direct, answers, deadline)
        rest = [] if _all_appended(answers) else _to_be_spooled(events, answers)
        if not rest:
            return Durable(answers)
        if not probes:
            return await self._spooled(events, answers, rest, deadline)
        async with asyncio.TaskGroup() as both:
            spooled = both.create_task(self._spooled(events, answers, rest, deadline))
            both.create_task(self._probe())
        return spooled.result()

    async def _appended(
        self, events: Sequence[Event], direct: Sequence[int] | None, answers: list[Answer], deadline: Deadline
    ) -> None:
        """Try the log for those of `events` that `direct` names, None being all, and write into `answers`."""
        given = events if direct is None else [events[index] for index in direct]
        bound = min(LOG_SECONDS, deadline.left())
        if not given or bound <= 0:
            return
        preparation = asyncio.get_running_loop().call_later(_PREPARE_SECONDS, self._spool.prepare)
        try:
            found = await self._log.append(given, within=bound)
        finally:
            preparation.cancel()
        if direct is None:
            answers[:] = found
        else:
            for index, answer in zip(direct, found, strict=True):
                answers[index] = answer
        if not _all_appended(found):
            self._breaker.trip()

    async def _spooled(
        self, events: Sequence[Event], answers: list[Answer], rest: Sequence[int], deadline: Deadline
    ) -> Durable:
        bound = min(_PUT_SECONDS, deadline.left() - _MARK_SECONDS)
        if bound <= 0:
            return Durable(answers)
        now = self._clock.now()
        name = object_name(str(self._ids.following(now)))
        spooled = [msgspec.structs.replace(events[index], spooled_at=now) for index in rest]
        try:
            await self._spool.put(name, spooled, within=bound)
        except Unavailable:
            # The object may be there all the same: its events then come late, and the primary key absorbs them.
            return Durable(answers)
        # Marked after the put, and before anybody is told: whoever sends because of this answer sees the mark. Marked
        # before it, a put that fails would leave keys waiting for an object that never comes, or unmark an older one.
        keys = sorted({event.partition_key for event in spooled})
        marked = await self._backlog.enter(spooled[0].tenant, keys, spooled=name)
        for index in rest:
            answers[index] = Spooled(now)
        # Without the mark nobody knows that later events of these keys have to wait.
        return Durable(answers, frozenset() if marked else frozenset(rest))

    async def _probe(self) -> None:
        # Not cut short: the log's own bound is 1 s, and a client that is cancelled in mid connect is of no use after.
        with contextlib.suppress(Unavailable):
            await self._log.check()
            self._breaker.mend()


def _all_appended(answers: Sequence[Answer]) -> bool:
    # A list: a generator takes three times as long, and this is every request's way.
    return all([isinstance(answer, Appended) for answer in answers])


def _to_be_spooled(events: Sequence[Event], answers: Sequence[Answer]) -> list[int]:
    """What is certainly not in the log, unless an event of unknown outcome stands before it under the same key."""
    unknown: set[str] = set()
    found = []
    for index, (event, answer) in enumerate(zip(events, answers, strict=True)):
        if isinstance(answer, NotAppended):
            if answer.sent or event.partition_key in unknown:
                unknown.add(event.partition_key)
            else:
                found.append(index)
    return found
