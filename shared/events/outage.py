"""The log with the spool behind it: where events go while no broker answers."""

import asyncio
import contextlib
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
from shared.kit.ids import Ascending

LOG_SECONDS = 2.0
"""How long a request waits for the log before its events are spooled."""

_PUT_SECONDS = 2.0
_OPEN_SECONDS = 5.0
_PROBE_SECONDS = 0.5


class Durable(msgspec.Struct, frozen=True):
    """Where the events went, in the order given. `overtakes`: which of them may be ahead of older ones of their key."""

    answers: list[Appended | Spooled | NotAppended]
    overtakes: frozenset[int] = frozenset()


class Breaker:
    """Remembers that the log is away, so that not every request waits for it."""

    def __init__(self, open_seconds: float = _OPEN_SECONDS) -> None:
        self._open_seconds = open_seconds
        self._until: Deadline | None = None

    def trip(self) -> None:
        """The log did not answer: leave it alone for a while."""
        self._until = Deadline(self._open_seconds)

    def mend(self) -> None:
        """The log is well."""
        self._until = None

    def is_open(self) -> bool:
        """Whether the log is to be left alone."""
        return self._until is not None and self._until.left() > 0


class SpoolingLog:
    """Appends to the log, and spools what it does not take.

    One request an environment waits for an absent log. The next ones are spooled at once, each with a short probe of
    the log beside it; when one succeeds the log is used again.
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
        """Append each of `events`, or spool it, and answer in the order given.

        Those that are `behind` older events in the spool are spooled too, so that they do not overtake them. An event
        whose outcome at the log is unknown is `NotAppended`, and so is every later one of its partition key that is not
        in the log: what the sender sends again must not come after them. Returns within `within` seconds, and never
        raises for an absent part.
        """
        deadline = Deadline(within)
        answers: list[Appended | Spooled | NotAppended] = [NotAppended("not tried", sent=False)] * len(events)
        direct = [] if self._breaker.is_open() else [index for index in range(len(events)) if not behind[index]]
        if direct:
            bound = min(LOG_SECONDS, deadline.left())
            for index, answer in zip(
                direct, await self._log.append([events[index] for index in direct], within=bound), strict=True
            ):
                answers[index] = answer
            self._judge([answers[index] for index in direct])
        rest = _to_be_spooled(events, answers)
        if not rest:
            return Durable(answers)
        probe = None if direct else asyncio.ensure_future(self._probe())
        try:
            return await self._spooled(events, answers, rest, deadline)
        finally:
            if probe is not None:
                await probe

    async def _spooled(
        self,
        events: Sequence[Event],
        answers: list[Appended | Spooled | NotAppended],
        rest: Sequence[int],
        deadline: Deadline,
    ) -> Durable:
        now = self._clock.now()
        name = object_name(str(self._ids.following(now)))
        spooled = [msgspec.structs.replace(events[index], spooled_at=now) for index in rest]
        tenant, keys = spooled[0].tenant, sorted({event.partition_key for event in spooled})
        marked = await self._backlog.enter(tenant, keys, spooled=name)
        try:
            await self._spool.put(name, spooled, within=min(_PUT_SECONDS, deadline.left()))
        except Unavailable:
            # The object may be there all the same: its events then come late, and the primary key absorbs them.
            await self._backlog.leave(tenant, keys, spooled=name)
            return Durable(answers)
        for index in rest:
            answers[index] = Spooled(now)
        # Without the mark nobody knows that later events of these keys have to wait.
        return Durable(answers, frozenset() if marked else frozenset(rest))

    async def _probe(self) -> None:
        with contextlib.suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(_PROBE_SECONDS):
                await self._log.check()
            self._breaker.mend()

    def _judge(self, answers: Sequence[Appended | Spooled | NotAppended]) -> None:
        if any(isinstance(answer, NotAppended) for answer in answers):
            self._breaker.trip()
        else:
            self._breaker.mend()


def _to_be_spooled(events: Sequence[Event], answers: Sequence[Appended | Spooled | NotAppended]) -> list[int]:
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
