"""Whatever fails, and in whatever order: what was acknowledged comes to the log, each key's events as sent."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters.memory.admission import MemoryAdmission
from shared.adapters.memory.spool import MemorySpool
from shared.events.admission import Entry, Fresh
from shared.events.drain import Drain, Drained
from shared.events.model import Appended, Event, NotAppended, Position, Spooled
from shared.events.outage import Breaker, SpoolingLog
from shared.events.ports import EventLog
from shared.kit.clock import FixedClock
from shared.kit.deadline import Deadline
from shared.kit.errors import Unavailable
from shared.kit.idle import Idle
from tests.fixtures.events import MOMENT, an_event

KEYS = ("k", "l")

# Of a key at the log: taken; refused; given and never answered, arrived or not; and the first one so, the rest refused.
type LogState = Literal["well", "away", "lost", "ghost", "half", "half away", "lost away"]
LOG_STATES: tuple[LogState, ...] = ("well", "away", "lost", "ghost", "half", "half away", "lost away")


class Log:
    """An EventLog whose keys fail apart, as partitions do."""

    def __init__(self) -> None:
        self.ids: dict[str, list[str]] = defaultdict(list)
        self.states: dict[str, LogState] = dict.fromkeys(KEYS, "well")

    async def append(self, events: Sequence[Event], *, within: float | None = None) -> list[Appended | NotAppended]:
        seen: set[str] = set()
        answers: list[Appended | NotAppended] = []
        for event in events:
            key, first = event.partition_key, event.partition_key not in seen
            seen.add(key)
            state = self.states[key]
            taken = state == "well" or (state in ("half", "half away") and first)
            refused = state == "away" or (state in ("half away", "lost away") and not first)
            if taken or state == "ghost":
                self.ids[key].append(event.id)
            answers.append(Appended(Position(0, 0)) if taken else NotAppended(state, sent=not refused))
        return answers

    async def check(self) -> None:
        if set(self.states.values()) != {"well"}:
            raise Unavailable("No broker answers.")


class Slow:
    """The log as a drain sees it that is frozen with objects in its hands."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.thawed = asyncio.Event()

    async def append(self, events: Sequence[Event], *, within: float | None = None) -> list[Appended | NotAppended]:
        await self.thawed.wait()
        return await self._log.append(events, within=within)

    async def check(self) -> None:
        await self._log.check()


class Brief:
    """The spool as a drain sees it that has time for its oldest object only."""

    def __init__(self, spool: MemorySpool) -> None:
        self._spool = spool
        self._over = False
        self.get, self.remove, self.set_aside = spool.get, spool.remove, spool.set_aside
        self.prepare, self.put, self.exchange = spool.prepare, spool.put, spool.exchange

    async def names(self, limit: int, *, after: str = "") -> list[str]:
        if self._over:
            raise Unavailable("The time is up.")
        self._over = True
        return await self._spool.names(1)


class Environment:
    """One of those that serve requests: its clock and its breaker are its own."""

    def __init__(self, world: "World") -> None:
        self.clock = FixedClock(MOMENT)
        breaker = Breaker(Idle(2, wall=lambda: world.seconds, monotonic=lambda: world.seconds))
        self.log = SpoolingLog(world.log, world.spool, world.backlog, self.clock, breaker=breaker)


class World:
    """Two environments, drains, and what is behind them; and what the sender was told."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.log = Log()
        self.spool = MemorySpool()
        self.backlog = MemoryAdmission()
        self.environments = [Environment(self), Environment(self)]
        self.frozen: list[tuple[Slow, asyncio.Task[Drained]]] = []
        self.told: dict[str, list[str]] = {key: [] for key in KEYS}  # what was acknowledged, in its order
        self.flagged: set[str] = set()
        self.unsettled: list[Event] = []
        self.tried_before: set[str] = set()
        self._sent = 0

    async def send(self, number: int, keys: Sequence[str], *, again: bool = False) -> list[str]:
        """A request, which begins with what is to be sent again. Returns what it was told."""
        events, self.unsettled = (self.unsettled, []) if again else ([], self.unsettled)
        for key in keys:
            self._sent += 1
            events.append(an_event(str(self._sent), partition_key=key))
        entries = [Entry(event.key, event.partition_key) for event in events]
        admitted = await self.backlog.admit("tests", entries, claim="c")
        behind = [isinstance(verdict, Fresh) and verdict.behind for verdict in admitted.verdicts]
        durable = await self.environments[number].log.append(events, behind=behind, within=5)
        missing: set[str] = set()
        for index, (event, answer) in enumerate(zip(events, durable.answers, strict=True)):
            if isinstance(answer, NotAppended):
                missing.add(event.partition_key)
                self.unsettled.append(event)
                self.tried_before.add(event.id)
                continue
            assert event.partition_key not in missing, "what is to be sent again would come after this"
            self.told[event.partition_key].append(event.id)
            if admitted.degraded or index in durable.overtakes:
                self.flagged.add(event.id)
        # Nothing is remembered of what was sent before: whatever is sent again comes to the log again.
        await self.backlog.settle("tests", [], [event.key for event in events], claim="c")
        return [type(answer).__name__ for answer in durable.answers]

    async def drain(self, log: EventLog | None = None, *, brief: bool = False) -> Drained:
        spool = Brief(self.spool) if brief else self.spool
        return await Drain(spool, log or self.log, self.backlog)(Deadline(60))

    async def freeze_a_drain(self) -> None:
        slow = Slow(self.log)
        self.frozen.append((slow, asyncio.ensure_future(self.drain(slow, brief=True))))
        for _ in range(20):
            await asyncio.sleep(0)

    async def thaw(self) -> None:
        for slow, drain in self.frozen:
            slow.thawed.set()
            await drain
        self.frozen.clear()

    async def heal(self) -> None:
        """All is well again, and the spool is drained."""
        self.log.states = dict.fromkeys(KEYS, "well")
        self.spool.away = self.spool.unsure = self.backlog.away = False
        self.seconds += 60
        await self.thaw()
        assert (await self.drain()).finished

    def check(self) -> None:
        for key in KEYS:
            first = {id_: place for place, id_ in reversed(list(enumerate(self.log.ids[key])))}
            told = self.told[key]
            assert set(told) <= set(first), "what was acknowledged is in the log"
            for later, id_ in enumerate(told):
                # An earlier try of it may have arrived at any time.
                if id_ in self.flagged or id_ in self.tried_before:
                    continue
                for before in told[:later]:
                    assert before in self.flagged or first[before] < first[id_], f"{before} was sent before {id_}"


numbers = st.integers(0, 1)
sends = st.tuples(
    st.just("send"),
    numbers,
    st.lists(st.sampled_from(KEYS), min_size=1, max_size=4),
    st.sampled_from([False, False, True]),
)
logs = st.tuples(st.just("log"), st.sampled_from([*KEYS, "all", "all"]), st.sampled_from(["well", "away", *LOG_STATES]))
drains = st.tuples(st.sampled_from(["drain", "short drain", "short drain", "two drains", "freeze a drain", "thaw"]))
others = st.one_of(
    st.tuples(st.just("spool"), st.sampled_from(["well", "well", "away", "unsure"])),
    st.tuples(st.just("backlog"), st.sampled_from(["well", "well", "away"])),
    st.tuples(st.just("clock"), numbers, st.sampled_from([-30, 1, 30])),
    st.tuples(st.just("wait"), st.sampled_from([1, 3])),
)
steps = st.one_of(sends, sends, sends, logs, drains, others)


async def take(world: World, step: tuple[object, ...]) -> None:  # noqa: C901  # one line a kind of step
    match step:
        case ("send", int(number), list(keys), bool(again)):
            await world.send(number, keys, again=again)
        case ("log", str(key), state):
            for each in KEYS if key == "all" else (key,):
                world.log.states[each] = state  # type: ignore[assignment]  # one of LOG_STATES
        case ("spool", state):
            world.spool.away, world.spool.unsure = state != "well", state == "unsure"
        case ("backlog", state):
            world.backlog.away = state == "away"
        case ("clock", int(number), int(seconds)):
            world.environments[number].clock.moment += timedelta(seconds=seconds)
        case ("wait", int(seconds)):
            world.seconds += seconds
        case ("drain",):
            await world.drain()
        case ("short drain",):
            await world.drain(brief=True)
        case ("two drains",):
            await asyncio.gather(world.drain(), world.drain())
        case ("freeze a drain",):
            await world.freeze_a_drain()
        case ("thaw",):
            await world.thaw()
        case _:
            raise AssertionError(step)


@settings(max_examples=300)
@given(st.lists(steps, min_size=10, max_size=60))
async def test_each_key_keeps_its_order_or_the_answer_says_so_and_nothing_acknowledged_is_lost(
    course: list[tuple[object, ...]],
) -> None:
    world = World()
    for step in course:
        await take(world, step)
    await world.heal()
    world.check()
    # However it went: the log is used again, and no key waits for an object that does not come.
    for _ in range(2):
        for number in (0, 1):
            told = await world.send(number, KEYS)
            world.seconds += 3
            await world.drain()
    assert told == [Appended.__name__] * len(KEYS)
    assert world.spool.objects == {}
    world.check()


async def test_what_is_sent_again_is_acknowledged_once_all_is_well() -> None:
    world = World()
    world.log.states = dict.fromkeys(KEYS, "lost")
    assert await world.send(0, KEYS) == [NotAppended.__name__] * len(KEYS)
    assert await world.send(0, (), again=True) == [Spooled.__name__] * len(KEYS)
    assert world.unsettled == []
    await world.heal()
    world.check()
