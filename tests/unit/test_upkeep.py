"""One run of upkeep over days in memory: what is made, moved, kept and given up, and what a lack of time leaves."""

import logging
from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta

import pytest

from shared.adapters.memory.days import MemoryDays
from shared.events.days import RETENTION_DAYS, TypeOf
from shared.events.upkeep import Upkeep, Upkept
from shared.kit.clock import FixedClock
from shared.kit.deadline import Deadline
from tests.fixtures.days import InMemory
from tests.fixtures.events import MOMENT

TODAY = MOMENT.date()
SHORT, LONG, UNDEFINED = TypeOf("tests", "short"), TypeOf("tests", "long"), TypeOf("tests", "undefined")


@pytest.fixture
def storage() -> InMemory:
    return InMemory()


async def run(storage: InMemory, *, seconds: float = 60.0, later: int = 0) -> Upkept:
    clock = FixedClock(MOMENT + timedelta(days=later))
    return await Upkeep(storage.opened, clock)(Deadline(seconds))


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


async def test_a_run_makes_yesterday_today_and_a_week_ahead_and_the_next_day_one_more(storage: InMemory) -> None:
    assert (await run(storage)).days_made == 9
    assert await storage.days.days() == [ago(-distance) for distance in range(-1, 8)]
    assert await run(storage) == Upkept()
    assert (await run(storage, later=1)).days_made == 1


async def test_a_stray_goes_to_its_own_day_and_an_alarm_is_raised(
    storage: InMemory, caplog: pytest.LogCaptureFixture
) -> None:
    for day in (TODAY, ago(10), ago(-20)):
        await storage.put(day, UNDEFINED, 2)
    before = await storage.rows()
    done = await run(storage)
    assert (done.strays, done.moved, done.removed) == (6, 6, 0)
    assert await storage.rows() == before
    assert not storage.days.outside
    (line,) = caplog.records
    assert (line.levelno, line.message) == (logging.ERROR, "maintain.default_partition")
    caplog.clear()
    await run(storage)
    assert not caplog.records


async def test_a_stray_that_nobody_needs_any_more_is_removed_and_gets_no_day(storage: InMemory) -> None:
    await storage.put(ago(RETENTION_DAYS + 1), UNDEFINED, 3)
    await storage.put(ago(RETENTION_DAYS), UNDEFINED, 1)
    done = await run(storage)
    assert (done.moved, done.removed) == (1, 3)
    assert await storage.rows() == Counter({(ago(RETENTION_DAYS), UNDEFINED): 1}) == await storage.counts()


async def test_a_day_goes_when_its_last_type_does_and_the_shorter_ones_go_before(storage: InMemory) -> None:
    await storage.keep(SHORT, 2)
    await storage.keep(LONG, 100)
    await run(storage)
    for kind in (SHORT, LONG, UNDEFINED):
        await storage.put(TODAY, kind)
    left = {}
    for later in (2, 3, RETENTION_DAYS, RETENTION_DAYS + 1, 100, 101):
        await run(storage, later=later)
        left[later] = {kind.type for (day, kind) in await storage.rows() if day == TODAY}
        assert await storage.counts() == await storage.rows()
    everything = {"short", "long", "undefined"}
    without = everything - {"short"}
    assert left == {2: everything, 3: without, 30: without, 31: {"long"}, 100: {"long"}, 101: set()}
    assert TODAY not in storage.days.places


async def test_a_day_of_which_nothing_is_needed_goes_though_other_types_are_kept_for_longer(storage: InMemory) -> None:
    await storage.keep(SHORT, 2)
    await storage.keep(LONG, 100)
    await run(storage)
    await storage.put(TODAY, SHORT, 3)
    done = await run(storage, later=3)
    assert TODAY not in storage.days.places
    assert done.removed == 0, "the day went as a whole"
    assert not await storage.rows()
    assert not await storage.counts()


async def test_a_type_that_is_kept_for_longer_from_now_on_keeps_what_is_still_there(storage: InMemory) -> None:
    await storage.keep(SHORT, 2)
    await run(storage)
    await storage.put(TODAY, SHORT)
    await storage.keep(SHORT, 3)
    await run(storage, later=3)
    assert await storage.rows() == Counter({(TODAY, SHORT): 1})


async def test_a_day_that_is_locked_is_left_to_the_next_run(storage: InMemory) -> None:
    await storage.put(TODAY, UNDEFINED)
    storage.days.locked = True
    done = await run(storage)
    assert (done.days_made, done.locked, done.strays) == (0, True, 1)
    storage.days.locked = False
    assert (await run(storage)).days_made == 9
    assert await storage.rows() == Counter({(TODAY, UNDEFINED): 1})
    storage.days.locked = True
    done = await run(storage, later=RETENTION_DAYS + 1)
    assert (done.days_given_up, done.locked, TODAY in storage.days.places) == (0, True, True)
    storage.days.locked = False
    await run(storage, later=RETENTION_DAYS + 1)
    assert TODAY not in storage.days.places


class Counting(MemoryDays):
    """Remembers what it was asked to lock, and `learns` before it tells of strays."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.learns: dict[TypeOf, int] = {}

    async def strays(self) -> Mapping[date, int]:
        self.retention |= self.learns
        return await super().strays()

    async def make(self, day: date) -> int:
        self.asked.append("make")
        return await super().make(day)

    async def give_up(self, day: date, today: date) -> bool:
        self.asked.append("give up")
        return await super().give_up(day, today)


async def test_who_is_not_given_a_lock_asks_for_no_other_in_that_run(storage: InMemory) -> None:
    storage.days = days = Counting()
    for distance in (60, 61, 62):
        await days.make(ago(distance))
        await storage.put(ago(distance), UNDEFINED)
    days.locked = True
    for missing, asked in ((True, ["make"]), (False, ["give up"])):
        if not missing:
            for distance in range(-1, 8):
                days.places[ago(-distance)] = []
        days.asked.clear()
        assert (await run(storage)).locked
        assert days.asked == asked


async def test_a_type_that_is_kept_for_longer_while_a_run_is_on_its_way_loses_nothing(storage: InMemory) -> None:
    storage.days = days = Counting()
    await run(storage)
    for day in (ago(40), ago(50)):
        await days.make(day)
        await storage.put(day, UNDEFINED, 2)
    await storage.put(ago(40), SHORT)
    await storage.put(ago(60), UNDEFINED)
    before = await storage.rows()
    days.learns = {UNDEFINED: 3650, SHORT: 3650}
    assert (await run(storage)).days_given_up == 0
    assert await storage.rows() == before


async def test_a_day_that_is_refused_keeps_no_other_from_being_made(
    storage: InMemory, caplog: pytest.LogCaptureFixture
) -> None:
    await storage.put(TODAY, UNDEFINED)
    storage.days.refused = {TODAY}
    done = await run(storage)
    assert (done.days_made, done.days_refused, done.locked, done.finished) == (8, 1, False, True)
    (line, _) = caplog.records
    assert (line.levelno, line.message, vars(line)["day"]) == (logging.ERROR, "maintain.day_refused", str(TODAY))
    assert await storage.rows() == Counter({(TODAY, UNDEFINED): 1})


async def test_a_half_made_day_that_nobody_needs_any_more_is_finished(storage: InMemory) -> None:
    days = storage.days = HalfMade(ago(60))
    assert (await run(storage)).days_made == 10
    assert ago(60) not in days.places, "and given up in the same run"


class HalfMade(MemoryDays):
    """Has the beginnings of a day's place."""

    def __init__(self, day: date) -> None:
        super().__init__()
        self._day = day

    async def strays(self) -> Mapping[date, int]:
        return {} if self._day in self.places else {self._day: 0}


async def test_an_event_that_comes_to_a_day_after_it_was_given_up_is_no_fault(
    storage: InMemory, caplog: pytest.LogCaptureFixture
) -> None:
    await storage.keep(SHORT, 1)
    await run(storage)
    await run(storage, later=4)
    assert TODAY not in storage.days.places
    await storage.put(TODAY, UNDEFINED)
    assert (await run(storage, later=4)).moved == 1
    (line,) = caplog.records
    assert (line.levelno, line.message) == (logging.WARNING, "maintain.default_partition")


async def test_what_was_counted_of_a_day_goes_after_it_whenever_the_run_was_cut_off(storage: InMemory) -> None:
    await storage.keep(SHORT, 1)
    await run(storage)
    await storage.put(TODAY, SHORT)
    del storage.days.places[TODAY]  # as a run leaves it that was killed before the counts were gone
    await run(storage, later=4)
    assert not await storage.counts()


async def test_a_run_without_time_says_that_it_has_not_finished_and_loses_nothing(storage: InMemory) -> None:
    await storage.put(TODAY, UNDEFINED)
    done = await run(storage, seconds=0)
    assert not done.finished
    assert done.days_made == 0
    assert await storage.rows() == Counter({(TODAY, UNDEFINED): 1})
    assert (await run(storage)).finished
