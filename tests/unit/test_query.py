"""Reading back: one event with its timeline, and pages in keyset order."""

import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from shared.adapters.memory.cache import MemoryCache
from shared.adapters.memory.events import MemoryEventStore
from shared.events.model import NO_DATA, Event
from shared.events.ports import EventFilter
from shared.events.query import Page, PageRequest, Query
from shared.kit.clock import FixedClock
from shared.kit.cursor import CursorSigner
from shared.kit.errors import Conflict, Malformed, NotFound, Unavailable
from tests.fixtures.events import MOMENT, a_record, an_event

STORED_AT = MOMENT + timedelta(milliseconds=250)


def ids(page: Page) -> list[str]:
    return [json.loads(bytes(event))["id"] for event in page.events]


class Room:
    """A query over memory, and what it is made of."""

    def __init__(self) -> None:
        self.store = MemoryEventStore(FixedClock(STORED_AT))
        self.cache = MemoryCache()
        self.query = Query(self.store, self.cache, CursorSigner("secret"))

    async def hold(self, *events: Event) -> None:
        await self.store.store([a_record(event, partition=2, offset=number) for number, event in enumerate(events)])

    async def event(self, id_: str, source: str | None = None, tenant: str = "tests") -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await self.query.event(tenant, id_, source))
        return found

    async def walk(self, **request: Any) -> list[list[str]]:
        """The ids of every page."""
        pages = [await self.query.page("tests", PageRequest(**request))]
        while pages[-1].next:
            pages.append(await self.query.page("tests", PageRequest(**request, cursor=pages[-1].next)))
        return [ids(page) for page in pages]


@pytest.fixture
def room() -> Room:
    """An empty one."""
    return Room()


def spread(count: int, **changes: Any) -> list[Event]:
    return [an_event(str(number), received_at=MOMENT + timedelta(seconds=number), **changes) for number in range(count)]


async def test_an_event_is_told_with_its_place_and_timeline(room: Room) -> None:
    await room.hold(an_event("1", subject="s", extensions={"region": "eu"}, data='{"a": 1.0}'))
    assert await room.event("1") == {
        "id": "1",
        "source": "/tests",
        "type": "test.made",
        "subject": "s",
        "region": "eu",
        "data": {"a": 1.0},
        "partition": 2,
        "offset": 0,
        "position": "2:0",
        "received_at": "2026-03-04T05:06:07.000089Z",
        "timeline": [
            {"state": "accepted", "at": "2026-03-04T05:06:07.000089Z", "detail": "position 2:0"},
            {"state": "stored", "at": "2026-03-04T05:06:07.250089Z"},
        ],
    }


async def test_an_event_that_was_a_dead_letter_says_when_it_was_redriven(room: Room) -> None:
    await room.hold(an_event("1", redriven_at=MOMENT))
    told = await room.event("1")
    assert [entry["state"] for entry in told["timeline"]] == ["accepted", "redriven", "stored"]
    assert told["timeline"][1] == {"state": "redriven", "at": "2026-03-04T05:06:07.000089Z"}


async def test_null_data_is_told_and_no_data_is_not(room: Room) -> None:
    await room.hold(
        an_event("null", data="null"), an_event("none", data=NO_DATA), an_event("64", data=NO_DATA, data_base64="aGk=")
    )
    assert (await room.event("null"))["data"] is None
    assert "data" not in await room.event("none")
    assert (await room.event("64"))["data_base64"] == "aGk="


async def test_an_event_of_another_tenant_is_not_there(room: Room) -> None:
    await room.hold(an_event("1"))
    with pytest.raises(NotFound):
        await room.event("1", tenant="other")


async def test_an_id_of_several_sources_needs_a_choice(room: Room) -> None:
    await room.hold(an_event("1", source="/b"), an_event("1", source="/a"))
    with pytest.raises(Conflict) as refused:
        await room.event("1")
    assert [fault.detail for fault in refused.value.faults] == ["/a", "/b"]
    assert (await room.event("1", "/b"))["source"] == "/b"


async def test_an_event_sent_again_on_another_day_is_told_as_it_was_last(room: Room) -> None:
    await room.hold(an_event("1"), an_event("1", received_at=MOMENT + timedelta(days=1)))
    assert (await room.event("1"))["received_at"].startswith("2026-03-05")


async def test_a_cached_event_is_told_while_the_replica_is_away(room: Room) -> None:
    await room.hold(an_event("1"))
    first = await room.event("1")
    room.store.away = True
    assert await room.event("1") == first
    with pytest.raises(Unavailable):
        await room.event("2")


async def test_a_cached_event_is_not_told_to_another_tenant_or_for_another_source(room: Room) -> None:
    await room.hold(an_event("1"))
    await room.event("1")
    with pytest.raises(NotFound):
        await room.event("1", tenant="other")
    with pytest.raises(NotFound):
        await room.event("1", "/other")


async def test_an_event_that_is_not_there_yet_is_asked_for_again(room: Room) -> None:
    with pytest.raises(NotFound):
        await room.event("1")
    await room.hold(an_event("1"))
    assert (await room.event("1"))["id"] == "1"


async def test_without_a_cache_the_replica_answers(room: Room) -> None:
    room.cache.away = True
    await room.hold(an_event("1"))
    assert (await room.event("1"))["id"] == "1"


async def test_pages_hold_every_event_once_newest_first(room: Room) -> None:
    await room.hold(*spread(5))
    assert await room.walk(limit=2) == [["4", "3"], ["2", "1"], ["0"]]


async def test_pages_hold_every_event_once_oldest_first(room: Room) -> None:
    await room.hold(*spread(4))
    assert await room.walk(limit=2, descending=False) == [["0", "1"], ["2", "3"]]


async def test_events_of_one_moment_are_paged_without_loss(room: Room) -> None:
    await room.hold(*(an_event(str(number)) for number in range(7)))
    pages = await room.walk(limit=2)
    assert [len(page) for page in pages] == [2, 2, 2, 1]
    assert sorted(id_ for page in pages for id_ in page) == [str(number) for number in range(7)]


async def test_an_event_that_comes_while_paging_does_not_shift_the_pages(room: Room) -> None:
    await room.hold(*spread(4))
    first = await room.query.page("tests", PageRequest(limit=2))
    await room.hold(an_event("new", received_at=MOMENT + timedelta(hours=1)))
    second = await room.query.page("tests", PageRequest(limit=2, cursor=first.next))
    assert ids(second) == ["1", "0"]


async def test_a_page_of_nothing_is_empty_and_the_last(room: Room) -> None:
    page = await room.query.page("tests", PageRequest())
    assert (page.events, page.next) == ([], None)


async def test_a_page_of_large_events_is_cut_short_and_nothing_is_lost(room: Room) -> None:
    await room.hold(*spread(7, data='"' + "x" * 700_000 + '"'))
    assert await room.walk(limit=50) == [["6", "5"], ["4", "3"], ["2", "1"], ["0"]]


async def test_attributes_count_too_and_a_page_stays_within_what_lambda_answers(room: Room) -> None:
    extensions: dict[str, str | int | bool] = {f"e{number}": "\U0001f600" * 1024 for number in range(32)}
    await room.hold(*spread(60, extensions=extensions))
    page = await room.query.page("tests", PageRequest(limit=50))
    assert len(msgspec.json.encode(page)) < 3_000_000
    assert sum(len(part) for part in await room.walk(limit=50)) == 60


async def test_base64_counts_as_data_and_a_page_holds_at_least_one_event(room: Room) -> None:
    await room.hold(*spread(2, data=NO_DATA, data_base64="x" * 3_000_000))
    assert await room.walk() == [["1"], ["0"]]


@pytest.mark.parametrize(
    ("tenant", "request_"),
    [
        ("other", PageRequest(limit=1)),
        ("tests", PageRequest(limit=1, where=EventFilter(type="test.made"))),
        ("tests", PageRequest(limit=1, descending=False)),
    ],
)
async def test_a_cursor_of_another_question_is_refused(room: Room, tenant: str, request_: PageRequest) -> None:
    await room.hold(*spread(3))
    cursor = (await room.query.page("tests", PageRequest(limit=1))).next
    request_ = PageRequest(where=request_.where, limit=1, descending=request_.descending, cursor=cursor)
    with pytest.raises(Malformed) as refused:
        await room.query.page(tenant, request_)
    assert refused.value.faults[0].pointer == "/cursor"


async def test_a_page_may_change_its_size_on_the_way(room: Room) -> None:
    await room.hold(*spread(5))
    cursor = (await room.query.page("tests", PageRequest(limit=1))).next
    page = await room.query.page("tests", PageRequest(limit=50, cursor=cursor))
    assert ids(page) == ["3", "2", "1", "0"]
