"""What EventDays promises, kept by days in memory and by PostgreSQL's partitions."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from shared.events.days import RETENTION_DAYS, Kept, TypeOf
from tests.fixtures.days import InMemory, InPostgres, Storage
from tests.fixtures.events import MOMENT
from tests.fixtures.parts import fresh_database

TODAY = MOMENT.date()
FAR = TODAY + timedelta(days=40)
FARTHER = TODAY + timedelta(days=41)
ONE, OTHER = TypeOf("tests", "one"), TypeOf("tests", "other")
LATER = TODAY + timedelta(days=RETENTION_DAYS + 1)


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.parts)])
async def storage(request: pytest.FixtureRequest) -> AsyncIterator[Storage]:
    """Storage with a place for each day around today."""
    if request.param == "memory":
        memory = InMemory()
        for distance in range(-1, 8):
            await memory.days.make(TODAY + timedelta(days=distance))
        yield memory
        return
    with fresh_database(request.getfixturevalue("endpoints"), migrated=TODAY) as database:
        made = InPostgres(database)
        yield made
        await made.writer.close()


async def test_the_days_that_have_a_place_are_told_in_order(storage: Storage) -> None:
    async with storage.opened() as days:
        await days.make(FARTHER)
        await days.make(FAR)
        around = [TODAY + timedelta(days=distance) for distance in range(-1, 8)]
        assert await days.days() == [*around, FAR, FARTHER]
        assert await days.make(FAR) == 0


async def test_an_event_of_a_day_without_a_place_is_a_stray_until_its_place_is_made(storage: Storage) -> None:
    await storage.put(TODAY, ONE, 2)
    await storage.put(FAR, ONE, 3)
    await storage.put(FARTHER, OTHER)
    before = await storage.rows()
    async with storage.opened() as days:
        assert await days.strays() == {FAR: 3, FARTHER: 1}
        assert await days.make(FAR) == 3
        assert await days.strays() == {FARTHER: 1}
        assert await days.types(FAR) == [ONE]
    assert await storage.rows() == before


async def test_the_types_of_a_day_are_each_told_once(storage: Storage) -> None:
    kinds = [TypeOf(tenant, type_) for tenant in ("a", "b") for type_ in ("x", "y", "z")]
    for kind in reversed(kinds):
        await storage.put(TODAY, kind, 2)
    async with storage.opened() as days:
        assert await days.types(TODAY) == kinds
        assert await days.types(TODAY + timedelta(days=1)) == []


async def test_the_current_version_of_each_type_says_how_long_its_events_are_kept(storage: Storage) -> None:
    foreign = TypeOf("others", "one")
    await storage.keep(ONE, 5)
    await storage.keep(ONE, 2)
    await storage.keep(foreign, 400)
    async with storage.opened() as days:
        assert await days.kept() == Kept({ONE: 2, foreign: 400})


async def test_a_day_is_given_up_when_no_event_in_it_is_needed(storage: Storage) -> None:
    await storage.put(TODAY, ONE)
    await storage.put(TODAY, OTHER)
    await storage.keep(ONE, 1)
    await storage.keep(OTHER, 2)
    last = TODAY + timedelta(days=2)
    async with storage.opened() as days:
        assert not await days.give_up(TODAY, last)
        assert await storage.rows() == Counter({(TODAY, ONE): 1, (TODAY, OTHER): 1})
        assert await days.give_up(TODAY, last + timedelta(days=1))
        assert TODAY not in await days.days()
    assert await storage.rows() == Counter()


async def test_what_types_say_when_a_day_or_its_events_would_go_is_what_counts(storage: Storage) -> None:
    await storage.put(TODAY, ONE, 3)
    await storage.keep(ONE, 1)
    last = TODAY + timedelta(days=2)
    async with storage.opened() as days:
        assert (await days.kept()).is_over(ONE, TODAY, last)
        await storage.keep(ONE, 3650)
        assert not await days.give_up(TODAY, last)
        assert await days.remove(TODAY, ONE, last, limit=10) == 0
        await storage.put(FAR, ONE)
        assert await days.remove_strays(FAR + timedelta(days=40), limit=10) == 0
    assert await storage.rows() == Counter({(TODAY, ONE): 3, (FAR, ONE): 1}) == await storage.counts()


async def test_events_are_removed_up_to_a_limit_and_what_was_counted_goes_with_the_last(storage: Storage) -> None:
    await storage.put(TODAY, ONE, 5)
    await storage.put(TODAY, OTHER, 2)
    await storage.put(TODAY + timedelta(days=1), ONE, 4)
    everything = await storage.rows()
    async with storage.opened() as days:
        assert await days.remove(TODAY, ONE, LATER, limit=3) == 3
        assert await storage.counts() == everything
        assert await days.remove(TODAY, ONE, LATER, limit=3) == 2
        assert await days.remove(TODAY, ONE, LATER, limit=3) == 0
    del everything[TODAY, ONE]
    assert await storage.rows() == everything
    assert await storage.counts() == everything


async def test_the_counts_go_with_the_last_event_where_the_limit_is_just_reached(storage: Storage) -> None:
    await storage.put(TODAY, ONE, 3)
    async with storage.opened() as days:
        assert await days.remove(TODAY, ONE, LATER, limit=3) == 3
    assert await storage.counts() == Counter()


async def test_what_was_counted_of_a_day_stays_until_its_last_event_is_gone(storage: Storage) -> None:
    await storage.put(TODAY, ONE)
    await storage.put(TODAY, OTHER)
    await storage.put(FAR, ONE)
    async with storage.opened() as days:
        assert await days.counted() == [TODAY, FAR]
        assert await days.forget_counts(TODAY, limit=1) == 0
        assert await days.give_up(TODAY, LATER)
        assert await days.forget_counts(TODAY, limit=1) == 1
        assert await days.forget_counts(TODAY, limit=9) == 1
        assert await days.forget_counts(FAR, limit=9) == 0
        assert await days.counted() == [FAR]


async def test_strays_of_days_that_are_over_are_removed_up_to_a_limit(storage: Storage) -> None:
    await storage.put(FAR, ONE, 5)
    await storage.put(FARTHER, ONE, 2)
    today = FARTHER + timedelta(days=RETENTION_DAYS)
    async with storage.opened() as days:
        assert await days.remove_strays(today, limit=4) == 4
        assert await days.remove_strays(today, limit=4) == 1
        assert await days.remove_strays(today, limit=4) == 0
    assert await storage.rows() == Counter({(FARTHER, ONE): 2})
