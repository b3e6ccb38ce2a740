"""Events go to the log, and to the spool while it is away: in order, and never into memory."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from shared.adapters.memory.admission import MemoryAdmission
from shared.adapters.memory.events import MemoryEventLog
from shared.adapters.memory.spool import MemorySpool
from shared.events.model import Appended, Event, NotAppended, Spooled
from shared.events.objects import PREFIX
from shared.events.outage import Breaker, Durable, SpoolingLog
from shared.kit.clock import FixedClock
from shared.kit.errors import Unavailable
from shared.kit.idle import Idle
from tests.fixtures.events import MOMENT, an_event


class Log(MemoryEventLog):
    """A log that counts what it is asked, and that can be of two minds about an append."""

    def __init__(self) -> None:
        super().__init__(partitions=1)
        self.asked = 0
        self.checked = 0
        self.bounds: list[float | None] = []
        self.refuses: dict[str, bool] = {}  # event id -> whether it was sent

    async def append(self, events: Sequence[Event], *, within: float | None = None) -> list[Appended | NotAppended]:
        self.asked += 1
        self.bounds.append(within)
        taken = iter(await super().append([event for event in events if event.id not in self.refuses]))
        return [
            NotAppended("refused", self.refuses[event.id]) if event.id in self.refuses else next(taken)
            for event in events
        ]

    async def check(self) -> None:
        self.checked += 1
        await super().check()


class Room:
    """An environment with a clock of its own, over a log, a spool and a backlog that others may share."""

    def __init__(self, other: "Room | None" = None) -> None:
        self.log: Log = other.log if other else Log()
        self.spool: MemorySpool = other.spool if other else MemorySpool()
        self.backlog: MemoryAdmission = other.backlog if other else MemoryAdmission()
        self.clock = FixedClock(MOMENT)
        self.seconds = 0.0
        between = Idle(2, wall=lambda: self.seconds, monotonic=lambda: self.seconds)
        self.breaker = Breaker(between)
        self.outage = SpoolingLog(self.log, self.spool, self.backlog, self.clock, breaker=self.breaker)

    async def append(self, *events: Event, behind: Sequence[bool] = (), within: float = 5) -> Durable:
        return await self.outage.append(events, behind=behind or [False] * len(events), within=within)

    async def kinds(self, *events: Event, behind: Sequence[bool] = (), within: float = 5) -> list[str]:
        return [type(answer).__name__ for answer in (await self.append(*events, behind=behind, within=within)).answers]

    @property
    def logged(self) -> list[str]:
        return [record.event.id for record in self.log.records()]

    @property
    def spooled(self) -> list[list[str]]:
        return [[event.id for event in self.spool.objects[name]] for name in sorted(self.spool.objects)]


@pytest.fixture
def room() -> Room:
    return Room()


def of_key(key: str, *ids: str) -> list[Event]:
    return [an_event(id_, partition_key=key) for id_ in ids]


async def test_while_the_log_is_well_nothing_is_spooled(room: Room) -> None:
    assert await room.kinds(*of_key("k", "1", "2")) == ["Appended", "Appended"]
    assert (room.logged, room.spooled, room.spool.prepared, room.log.checked) == (["1", "2"], [], False, 0)


async def test_no_events_have_no_answers(room: Room) -> None:
    assert await room.append() == Durable([])
    room.log.away = True
    assert await room.append() == Durable([])
    assert room.spooled == []


async def test_events_of_an_absent_log_are_one_object_in_their_order(room: Room) -> None:
    room.log.away = True
    durable = await room.append(*of_key("k", "1", "2"), *of_key("l", "3"))
    assert durable == Durable([Spooled(MOMENT)] * 3)
    assert room.spooled == [["1", "2", "3"]]


async def test_a_spooled_event_says_since_when_and_keeps_all_else(room: Room) -> None:
    room.log.away = True
    room.clock.moment = MOMENT + timedelta(seconds=2)
    event = an_event(subject="s", waiter="w")
    await room.append(event)
    ((kept,),) = room.spool.objects.values()
    assert (kept.spooled_at, kept.received_at, kept.key) == (room.clock.moment, MOMENT, event.key)
    assert kept != event
    assert event == an_event(event.id, subject="s", waiter="w")


async def test_an_event_whose_outcome_is_unknown_is_not_spooled(room: Room) -> None:
    room.log.away = room.log.unsure = True
    assert await room.kinds(an_event()) == ["NotAppended"]
    assert room.spooled == []


async def test_what_follows_an_unknown_outcome_under_its_key_is_not_spooled_either(room: Room) -> None:
    one, two, three = of_key("k", "1", "2", "3")
    (other,) = of_key("other", "4")
    room.log.refuses = {"1": False, "2": True, "3": False, "4": False}
    assert await room.kinds(one, two, three, other) == ["Spooled", "NotAppended", "NotAppended", "Spooled"]
    assert room.spooled == [["1", "4"]]


async def test_what_the_log_took_is_not_spooled_besides(room: Room) -> None:
    room.log.refuses = {"2": False}
    assert await room.kinds(*of_key("k", "1"), *of_key("l", "2")) == ["Appended", "Spooled"]
    assert (room.logged, room.spooled) == (["1"], [["2"]])


async def test_an_event_behind_older_ones_is_spooled_at_once(room: Room) -> None:
    events = [*of_key("k", "1"), *of_key("l", "2")]
    assert await room.kinds(*events, behind=[True, False]) == ["Spooled", "Appended"]
    assert (room.logged, room.spooled) == (["2"], [["1"]])
    assert not room.breaker.is_open


@pytest.mark.parametrize("behind", [[True, False], [False, True]])
async def test_events_of_one_key_wait_together(room: Room, behind: list[bool]) -> None:
    """They may have been asked about at different moments, with a drain in between."""
    assert await room.kinds(*of_key("k", "1", "2"), behind=behind) == ["Spooled", "Spooled"]
    assert (room.logged, room.spooled) == ([], [["1", "2"]])


async def test_a_well_log_is_not_probed_for_events_that_wait(room: Room) -> None:
    await room.append(an_event(), behind=[True])
    assert (room.log.asked, room.log.checked) == (0, 0)


async def test_the_keys_of_spooled_events_are_marked_with_their_newest_object(room: Room) -> None:
    room.log.away = True
    await room.append(*of_key("k", "1"), *of_key("l", "2"))
    await room.append(*of_key("l", "3"))
    older, newer = sorted(room.spool.objects)
    assert room.backlog.backlog == {("tests", "k"): older, ("tests", "l"): newer}


async def test_a_key_is_marked_before_anybody_is_told(room: Room) -> None:
    room.log.away = True
    marks: list[int] = []
    enter = room.backlog.enter

    async def late(tenant: str, partition_keys: Sequence[str], *, spooled: str) -> bool:
        await asyncio.sleep(0.02)
        marks.append(len(room.spool.objects))
        return await enter(tenant, partition_keys, spooled=spooled)

    room.backlog.enter = late  # type: ignore[method-assign]  # a Redis that takes its time
    await room.append(an_event())
    assert marks == [1]


async def test_where_no_mark_can_be_made_the_answer_says_that_order_is_not_kept(room: Room) -> None:
    room.log.away = room.backlog.away = True
    assert await room.append(an_event(), an_event()) == Durable([Spooled(MOMENT)] * 2, frozenset({0, 1}))


async def test_where_a_clock_is_ahead_of_ours_the_answer_says_that_order_is_not_kept(room: Room) -> None:
    ahead = Room(room)
    ahead.clock.moment += timedelta(seconds=30)
    room.log.away = True
    await ahead.append(*of_key("k", "1"))
    assert (await room.append(*of_key("k", "2"))).overtakes == {0}
    assert room.spooled == [["2"], ["1"]]
    (newest,) = room.backlog.backlog.values()
    assert [event.id for event in room.spool.objects[newest]] == ["1"]


async def test_names_ascend_within_an_environment_whatever_its_clock_does(room: Room) -> None:
    room.log.away = True
    for id_ in map(str, range(50)):
        await room.append(an_event(id_))
        room.clock.moment -= timedelta(seconds=1)
    assert room.spooled == [[str(number)] for number in range(50)]
    assert all(name.startswith(PREFIX) for name in room.spool.objects)


async def test_with_the_spool_away_too_nothing_is_acknowledged(room: Room) -> None:
    room.log.away = room.spool.away = True
    durable = await room.append(an_event(), an_event())
    assert durable == Durable([NotAppended("the log is away", sent=False)] * 2)
    assert (room.backlog.backlog, room.spooled) == ({}, [])


async def test_a_put_that_may_have_been_done_is_not_acknowledged(room: Room) -> None:
    room.log.away = room.spool.away = room.spool.unsure = True
    assert await room.kinds(an_event("1")) == ["NotAppended"]
    assert (room.spooled, room.backlog.backlog) == ([["1"]], {})


async def test_a_put_that_fails_leaves_the_mark_of_older_events(room: Room) -> None:
    room.log.away = True
    await room.append(*of_key("k", "1"))
    marks = dict(room.backlog.backlog)
    room.spool.away = True
    assert await room.kinds(*of_key("k", "2"), behind=[True]) == ["NotAppended"]
    assert room.backlog.backlog == marks


async def test_one_request_waits_for_an_absent_log(room: Room) -> None:
    room.log.away = True
    for _ in range(5):
        assert await room.kinds(an_event()) == ["Spooled"]
    assert (room.log.asked, room.log.checked) == (1, 0)


async def test_an_unknown_outcome_opens_the_breaker_too(room: Room) -> None:
    room.log.away = room.log.unsure = True
    await room.append(an_event())
    assert await room.kinds(an_event()) == ["Spooled"]
    assert room.log.asked == 1


async def test_an_absent_log_is_probed_now_and_then_and_never_waited_for_again(room: Room) -> None:
    room.log.away = True
    for _ in range(100):
        await room.append(an_event())
        room.seconds += 0.5
    assert room.log.asked == 1
    assert 15 <= room.log.checked <= 25


async def test_a_request_without_the_time_for_a_probe_leaves_it_to_the_next(room: Room) -> None:
    room.log.away = True
    await room.append(an_event())
    room.seconds += 3
    assert await room.kinds(an_event(), within=1) == ["Spooled"]
    assert room.log.checked == 0
    await room.append(an_event())
    assert room.log.checked == 1


async def test_a_request_without_events_leaves_the_probe_to_the_next(room: Room) -> None:
    room.log.away = True
    await room.append(an_event())
    room.seconds += 3
    assert await room.append() == Durable([])
    assert room.log.checked == 0
    await room.append(an_event())
    assert room.log.checked == 1


async def test_a_log_that_is_back_is_used_by_the_request_after_the_probe(room: Room) -> None:
    room.log.away = True
    await room.append(an_event())
    room.log.away = False
    assert await room.kinds(an_event()) == ["Spooled"]  # it is not time to probe yet
    room.seconds += 3
    assert await room.kinds(an_event("probes")) == ["Spooled"]
    assert await room.kinds(an_event("after")) == ["Appended"]
    assert (room.log.checked, room.logged) == (1, ["after"])


async def test_a_probe_and_a_put_go_on_at_once(room: Room) -> None:
    entered: list[str] = []
    both = asyncio.Event()

    async def meet(who: str) -> None:
        entered.append(who)
        if len(entered) == 2:
            both.set()
        async with asyncio.timeout(5):
            await both.wait()

    async def check() -> None:
        await meet("check")

    async def put(name: str, events: Sequence[Event], *, within: float) -> None:
        await meet("put")

    room.log.away = True
    await room.append(an_event())
    room.seconds += 3
    room.log.check = check  # type: ignore[method-assign]  # each ends only when the other has begun
    room.spool.put = put  # type: ignore[method-assign]
    assert await room.kinds(an_event()) == ["Spooled"]


async def test_nothing_runs_on_after_the_answer(room: Room) -> None:
    room.log.away = True
    before = asyncio.all_tasks()
    await room.append(an_event())
    for _ in range(10):
        room.seconds += 3
        await room.append(an_event())
        assert asyncio.all_tasks() == before


async def test_each_environment_learns_by_itself(room: Room) -> None:
    other = Room(room)
    room.log.away = True
    await room.append(an_event())
    await other.append(an_event())
    assert room.log.asked == 2


async def test_the_log_and_the_spool_have_what_is_left_of_the_time(room: Room) -> None:
    puts: list[float] = []

    async def put(name: str, events: Sequence[Event], *, within: float) -> None:
        puts.append(within)

    room.log.away = True
    room.spool.put = put  # type: ignore[method-assign]  # to see its bound
    await room.append(an_event(), within=1.0)
    await room.append(an_event(), within=60)
    await Room(room).append(an_event(), within=60)
    assert [round(bound or 0, 1) for bound in room.log.bounds] == [1.0, 2.0]
    assert [round(bound, 1) for bound in puts] == [0.8, 2.0, 2.0]


async def test_without_time_nothing_is_begun(room: Room) -> None:
    assert await room.kinds(an_event(), within=0) == ["NotAppended"]
    assert (room.log.asked, room.spooled) == (0, [])
    assert not room.breaker.is_open


async def test_the_spool_gets_ready_while_the_log_is_waited_for(room: Room) -> None:
    ready: list[bool] = []

    async def slow(events: Sequence[Event], *, within: float | None = None) -> list[Appended | NotAppended]:
        await asyncio.sleep(0.5)
        ready.append(room.spool.prepared)
        return [NotAppended("late", sent=False)] * len(events)

    room.log.append = slow  # type: ignore[method-assign]  # a broker that does not answer
    assert await room.kinds(an_event()) == ["Spooled"]
    assert ready == [True]


async def test_an_error_that_nobody_foresaw_is_not_taken_for_an_absent_part(room: Room) -> None:
    async def broken(name: str, events: Sequence[Event], *, within: float) -> None:
        raise ZeroDivisionError

    room.log.away = True
    room.spool.put = broken  # type: ignore[method-assign]  # no adapter is meant to do this
    with pytest.raises(ZeroDivisionError):
        await room.append(an_event())


async def test_a_probe_that_finds_nobody_leaves_the_answer_alone(room: Room) -> None:
    room.log.away = True
    await room.append(an_event())
    room.seconds += 3
    with pytest.raises(Unavailable):
        await room.log.check()
    assert await room.kinds(an_event()) == ["Spooled"]
    assert room.breaker.is_open
