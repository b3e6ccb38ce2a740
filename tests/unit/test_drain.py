"""Spooled events come back to the log: oldest first, and gone from the spool only when they are there."""

import asyncio
from collections.abc import Sequence

import pytest

from shared.adapters.memory.admission import MemoryAdmission
from shared.adapters.memory.events import MemoryEventLog
from shared.adapters.memory.spool import MemorySpool
from shared.events.drain import Drain, Drained
from shared.events.model import Appended, Event, NotAppended
from shared.events.objects import object_name
from shared.kit.deadline import Deadline
from shared.kit.errors import NotFound, Unavailable
from tests.fixtures.events import an_event


class Log(MemoryEventLog):
    """A log of one partition that remembers what it was given at once, and may fail from an event on."""

    def __init__(self) -> None:
        super().__init__(partitions=1)
        self.given: list[list[str]] = []
        self.fails_at: str | None = None

    async def append(self, events: Sequence[Event], *, within: float | None = None) -> list[Appended | NotAppended]:
        ids = [event.id for event in events]
        self.given.append(ids)
        sound = ids.index(self.fails_at) if self.fails_at in ids else len(ids)
        await asyncio.sleep(0)
        failed: list[Appended | NotAppended] = [NotAppended("late", sent=True)] * (len(ids) - sound)
        return await super().append(events[:sound]) + failed

    @property
    def ids(self) -> list[str]:
        return [record.event.id for record in self.records()]


class Room:
    """A spool, a log, a backlog, and drains over them."""

    def __init__(self) -> None:
        self.spool = MemorySpool()
        self.log = Log()
        self.backlog = MemoryAdmission()

    async def put(self, number: int, *events: Event) -> str:
        """Spool `events` as an ingest would, as object `number` in time."""
        name = object_name(f"{number:04}")
        await self.spool.put(name, events, within=1)
        await self.backlog.enter("tests", [event.partition_key for event in events], spooled=name)
        return name

    async def drain(self, seconds: float = 30) -> Drained:
        return await Drain(self.spool, self.log, self.backlog)(Deadline(seconds))


@pytest.fixture
def room() -> Room:
    return Room()


async def test_an_empty_spool_is_finished(room: Room) -> None:
    assert await room.drain() == Drained(0, 0, finished=True)
    assert room.log.given == []


async def test_objects_come_back_oldest_first_and_are_gone(room: Room) -> None:
    await room.put(2, an_event("c"), an_event("d"))
    await room.put(1, an_event("a"), an_event("b"))
    await room.put(3, an_event("e"))
    assert await room.drain() == Drained(3, 5, finished=True)
    assert room.log.ids == ["a", "b", "c", "d", "e"]
    assert (room.spool.objects, room.backlog.backlog) == ({}, {})


async def test_more_objects_than_one_list_holds_come_back_in_order(room: Room) -> None:
    ids = [str(number) for number in range(1_050)]
    for number, id_ in enumerate(ids):
        await room.put(number, an_event(id_))
    assert await room.drain() == Drained(1_050, 1_050, finished=True)
    assert room.log.ids == ids


async def test_small_objects_share_an_append_and_large_ones_go_alone(room: Room) -> None:
    large = f'"{"x" * 3_000_000}"'
    for number, data in enumerate(["1", "2", large, large, "3"]):
        await room.put(number, an_event(str(number), data=data))
    await room.drain()
    assert room.log.given == [["0", "1", "2"], ["3", "4"]]


async def test_while_the_log_is_away_all_stays_as_it_is(room: Room) -> None:
    await room.put(1, an_event())
    room.log.away = True
    objects, marks = dict(room.spool.objects), dict(room.backlog.backlog)
    assert await room.drain() == Drained(0, 0, finished=False)
    assert (room.spool.objects, room.backlog.backlog) == (objects, marks)


async def test_what_comes_after_an_object_that_failed_is_not_tried(room: Room) -> None:
    large = f'"{"x" * 3_000_000}"'
    for number, id_ in enumerate("abcd"):
        await room.put(number, an_event(f"{id_}1"), an_event(f"{id_}2", data=large))
    room.log.fails_at = "b2"
    assert await room.drain() == Drained(1, 2, finished=False)
    assert room.log.ids == ["a1", "a2", "b1"]
    room.log.fails_at = None
    assert await room.drain() == Drained(3, 6, finished=True)
    assert room.log.ids == ["a1", "a2", "b1", *("b1", "b2"), "c1", "c2", "d1", "d2"]


async def test_objects_that_shared_an_append_are_done_up_to_the_first_that_failed(room: Room) -> None:
    names = [await room.put(number, an_event(f"{id_}1"), an_event(f"{id_}2")) for number, id_ in enumerate("abc")]
    room.log.fails_at = "b2"
    assert await room.drain() == Drained(1, 2, finished=False)
    assert sorted(room.spool.objects) == names[1:]
    assert sorted(key for _, key in room.backlog.backlog) == ["b1", "b2", "c1", "c2"]


async def test_a_key_whose_newest_event_is_in_another_object_stays_marked(room: Room) -> None:
    await room.put(1, an_event("1", partition_key="k"))
    await room.backlog.enter("tests", ["k"], spooled=object_name("9999"))
    await room.drain()
    assert room.backlog.backlog == {("tests", "k"): object_name("9999")}


async def test_without_a_backlog_events_come_back_all_the_same(room: Room) -> None:
    await room.put(1, an_event("1"))
    room.backlog.away = True
    assert await room.drain() == Drained(1, 1, finished=True)
    assert (room.log.ids, room.spool.objects) == (["1"], {})


async def test_a_key_is_unmarked_only_when_its_events_are_in_the_log(room: Room) -> None:
    seen: list[list[str]] = []
    leave = room.backlog.leave

    async def watched(tenant: str, partition_keys: Sequence[str], *, spooled: str) -> bool:
        seen.append(list(room.log.ids))
        return await leave(tenant, partition_keys, spooled=spooled)

    room.backlog.leave = watched  # type: ignore[method-assign]  # to see when it is asked
    await room.put(1, an_event("1"))
    await room.drain()
    assert seen == [["1"]]


async def test_an_object_that_cannot_be_read_is_set_aside_with_an_error(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    await room.put(1, an_event("1"))
    broken = await room.put(2, an_event("2"))
    await room.put(3, an_event("3"))
    room.spool.unreadable.append(broken)
    assert await room.drain() == Drained(2, 2, finished=True)
    assert (room.log.ids, room.spool.objects) == (["1", "3"], {})
    (entry,) = caplog.records
    assert (entry.levelname, entry.message, entry.__dict__["object"]) == ("ERROR", "drain.unreadable", broken)


async def test_an_object_that_cannot_be_had_for_now_is_not_passed_over(room: Room) -> None:
    class Flaky(MemorySpool):
        away_for: str | None = None

        async def get(self, name: str) -> list[Event]:
            if name == self.away_for:
                raise Unavailable("slow down")
            return await super().get(name)

    room.spool = spool = Flaky()
    for number, id_ in enumerate("abc"):
        await room.put(number, an_event(id_))
    spool.away_for = object_name("0001")
    assert await room.drain() == Drained(1, 1, finished=False)
    assert room.log.ids == ["a"]
    spool.away_for = None
    assert await room.drain() == Drained(2, 2, finished=True)
    assert room.log.ids == ["a", "b", "c"]


async def test_an_object_that_another_drain_took_is_passed_over(room: Room) -> None:
    class Shared(MemorySpool):
        async def get(self, name: str) -> list[Event]:
            if name == object_name("0001"):
                self.objects.pop(name, None)
                raise NotFound("gone")
            return await super().get(name)

    room.spool = Shared()
    for number, id_ in enumerate("abc"):
        await room.put(number, an_event(id_))
    assert await room.drain() == Drained(2, 2, finished=True)
    assert room.log.ids == ["a", "c"]


async def test_a_spool_that_is_away_is_not_finished(room: Room) -> None:
    await room.put(1, an_event())
    room.spool.away = True
    assert await room.drain() == Drained(0, 0, finished=False)


async def test_a_spool_that_leaves_before_the_removal_gives_the_events_again(room: Room) -> None:
    await room.put(1, an_event("1"))
    leave = room.backlog.leave

    async def leave_and_lose(tenant: str, partition_keys: Sequence[str], *, spooled: str) -> bool:
        room.spool.away = True
        return await leave(tenant, partition_keys, spooled=spooled)

    room.backlog.leave = leave_and_lose  # type: ignore[method-assign]  # between the append and the removal
    assert not (await room.drain()).finished
    room.backlog.leave, room.spool.away = leave, False  # type: ignore[method-assign]
    assert await room.drain() == Drained(1, 1, finished=True)
    assert room.log.ids == ["1", "1"]


async def test_without_time_nothing_is_begun(room: Room) -> None:
    await room.put(1, an_event())
    assert await room.drain(seconds=1) == Drained(0, 0, finished=False)
    assert (len(room.spool.objects), room.log.given) == (1, [])


async def test_two_drains_at_once_keep_the_order_of_first_copies(room: Room) -> None:
    ids = [str(number) for number in range(100)]
    for number, id_ in enumerate(ids):
        await room.put(number, an_event(id_, partition_key="k"))
    first, second = await asyncio.gather(room.drain(), room.drain())
    assert (first.finished, second.finished) == (True, True)
    assert list(dict.fromkeys(room.log.ids)) == ids
    assert (room.spool.objects, room.backlog.backlog) == ({}, {})


async def test_tenants_with_the_same_key_are_unmarked_apart(room: Room) -> None:
    events = [an_event("1", partition_key="k"), an_event("2", partition_key="k", tenant="other")]
    name = object_name("0001")
    await room.spool.put(name, events, within=1)
    for tenant in ("tests", "other"):
        await room.backlog.enter(tenant, ["k"], spooled=name)
    await room.drain()
    assert room.backlog.backlog == {}
