"""What EventReader promises, kept by the store in memory and by PostgreSQL's replica."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import msgspec
import pytest

from shared.adapters.memory.events import MemoryEventStore
from shared.adapters.postgres.deadletters import PostgresDeadLetterStore
from shared.adapters.postgres.engine import Reader, Writer
from shared.adapters.postgres.reader import PostgresEventReader
from shared.adapters.postgres.store import PostgresEventStore
from shared.deadletters.model import NewLetter
from shared.events.model import NO_DATA, Event, StoredEvent, written
from shared.events.ports import EventFilter, EventReader, Keyset
from shared.kit.errors import Unavailable
from tests.fixtures.events import MOMENT, a_record, an_event
from tests.fixtures.letters import a_new_letter

_NOBODY = "postgresql://millrace:nothing@127.0.0.1:1/millrace"  # a port that nothing listens on


@dataclass
class Shelf:
    """A reader, and a way to put events where it reads. Every shelf has a tenant of its own."""

    reader: EventReader
    put: Callable[..., Awaitable[None]]
    bury: Callable[..., Awaitable[None]]
    tenant: str

    def event(self, id_: str | None = None, seconds: float = 0, **changes: object) -> Event:
        return an_event(id_, tenant=self.tenant, received_at=MOMENT + timedelta(seconds=seconds), **changes)

    async def ids(
        self, where: EventFilter | None = None, *, after: Keyset | None = None, limit: int = 50, descending: bool = True
    ) -> list[str]:
        rows = await self.reader.page(
            self.tenant, where or EventFilter(), after=after, limit=limit, descending=descending
        )
        return [row.event.id for row in rows]


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.parts)])
async def shelf(request: pytest.FixtureRequest) -> AsyncIterator[Shelf]:
    """One over something that answers."""
    tenant = f"tenant-{uuid4()}"
    if request.param == "memory":
        memory = MemoryEventStore()

        async def put_in_memory(*events: Event) -> None:
            await memory.store([a_record(event, partition=2, offset=n) for n, event in enumerate(events)])

        async def bury_in_memory(*letters: NewLetter) -> None:
            for new in letters:
                named = (tenant, new.source or "", new.event_id or "")
                memory.letters.setdefault(named, []).insert(0, new.letter.id)

        yield Shelf(memory, put_in_memory, bury_in_memory, tenant)
        return
    database = request.getfixturevalue("database")
    writer = Writer(database.writer, application_name="contract")
    reader = Reader(database.reader, application_name="contract")

    async def put(*events: Event) -> None:
        records = [a_record(event, partition=2, offset=n) for n, event in enumerate(events)]
        await PostgresEventStore(writer).store(records)
        await database.replicated()

    async def bury(*letters: NewLetter) -> None:
        await PostgresDeadLetterStore(writer).bury(letters)
        await database.replicated()

    yield Shelf(PostgresEventReader(reader), put, bury, tenant)
    await writer.close()
    await reader.close()


@pytest.fixture(params=["memory", "postgres"])
async def absent(request: pytest.FixtureRequest) -> AsyncIterator[EventReader]:
    """The port over nothing."""
    if request.param == "memory":
        memory = MemoryEventStore()
        memory.away = True
        yield memory
        return
    reader = Reader(_NOBODY, application_name="contract")
    yield PostgresEventReader(reader)
    await reader.close()


def whole(stored: StoredEvent) -> dict[str, object]:
    """The event in a form that can be compared: JSON as a value, for storage may write it in other words."""
    data = written(stored.event.data)
    return msgspec.structs.asdict(stored.event) | {"data": None if data is None else (msgspec.json.decode(data),)}


async def test_an_event_is_read_as_it_was_stored(shelf: Shelf) -> None:
    event = shelf.event(
        subject="é",
        time=MOMENT - timedelta(days=9000, microseconds=1),
        datacontenttype="application/json",
        dataschema="/schema",
        data='{"b": [1.50, null, "\\u00e9", 12345678901234567890], "a": {}}',
        extensions={"text": "x", "yes": True, "number": -1},
        traceparent="00-trace",
        spooled_at=MOMENT + timedelta(seconds=1),
        redriven_at=MOMENT + timedelta(hours=1),
    )
    await shelf.put(event)
    (stored,) = await shelf.reader.by_id(shelf.tenant, event.id, None)
    assert whole(stored) == whole(StoredEvent(event, stored.position, stored.stored_at))
    assert (stored.position.partition, stored.position.offset) == (2, 0)


@pytest.mark.parametrize(
    ("data", "base64"), [(NO_DATA, None), ("null", None), ('"text"', None), ("0", None), (NO_DATA, "aGk=")]
)
async def test_every_kind_of_data_is_read_as_it_was_stored(
    shelf: Shelf, data: str | msgspec.Raw, base64: str | None
) -> None:
    event = shelf.event(data=data, data_base64=base64)
    await shelf.put(event)
    (stored,) = await shelf.reader.by_id(shelf.tenant, event.id, None)
    assert (written(stored.event.data), stored.event.data_base64) == (written(event.data), base64)


async def test_the_time_of_storing_has_a_zone(shelf: Shelf) -> None:
    event = shelf.event()
    await shelf.put(event)
    (stored,) = await shelf.reader.by_id(shelf.tenant, event.id, None)
    assert stored.stored_at.utcoffset() is not None


async def test_events_of_one_id_come_newest_first(shelf: Shelf) -> None:
    await shelf.put(
        shelf.event("1", 0, source="/a"), shelf.event("1", 2, source="/b"), shelf.event("1", 1, source="/c")
    )
    rows = await shelf.reader.by_id(shelf.tenant, "1", None)
    assert [row.event.source for row in rows] == ["/b", "/c", "/a"]
    (chosen,) = await shelf.reader.by_id(shelf.tenant, "1", "/c")
    assert chosen.event.source == "/c"


async def test_at_most_ten_events_of_one_id_are_given(shelf: Shelf) -> None:
    await shelf.put(*(shelf.event("1", number, source=f"/{number}") for number in range(12)))
    rows = await shelf.reader.by_id(shelf.tenant, "1", None)
    assert [row.event.source for row in rows] == [f"/{number}" for number in reversed(range(2, 12))]


@pytest.mark.parametrize("id_", ["nothing", "", "a\0b", "'; DROP TABLE events; --", "é" * 300])
async def test_what_is_not_there_is_an_empty_answer(shelf: Shelf, id_: str) -> None:
    await shelf.put(shelf.event("1"))
    assert await shelf.reader.by_id(shelf.tenant, id_, None) == []


async def test_the_dead_letters_of_an_event_are_found_the_last_first(shelf: Shelf) -> None:
    def letter(seconds: float, source: str = "/s", id_: str = "1") -> NewLetter:
        return a_new_letter(seconds, tenant=shelf.tenant, event_id=id_, source=source)

    letters = [letter(0), letter(1), letter(2, id_="2"), letter(3, "/t")]
    await shelf.bury(*letters)
    ids = [each.letter.id for each in letters]
    assert await shelf.reader.dead(shelf.tenant, "1", "/s") == [ids[1], ids[0]]
    assert set(await shelf.reader.dead(shelf.tenant, "1", None)) == {ids[0], ids[1], ids[3]}
    assert await shelf.reader.dead("somebody else", "1", None) == []
    await shelf.bury(*[letter(4, "/many") for _ in range(12)])
    assert len(await shelf.reader.dead(shelf.tenant, "1", "/many")) == 10
    for absent in ("3", "", "a\0b"):
        assert await shelf.reader.dead(shelf.tenant, absent, None) == []


async def test_events_of_another_tenant_are_not_read(shelf: Shelf) -> None:
    await shelf.put(shelf.event("1"))
    assert await shelf.reader.by_id("somebody else", "1", None) == []
    assert await shelf.reader.page("somebody else", EventFilter(), after=None, limit=9, descending=True) == []


async def test_a_page_is_in_order_of_the_received_time(shelf: Shelf) -> None:
    await shelf.put(*(shelf.event(str(number), number) for number in (2, 0, 86_400, 1)))
    assert await shelf.ids() == ["86400", "2", "1", "0"]
    assert await shelf.ids(descending=False) == ["0", "1", "2", "86400"]
    assert await shelf.ids(limit=2) == ["86400", "2"]


@pytest.mark.parametrize("descending", [True, False])
async def test_pages_go_on_beyond_the_last_row(shelf: Shelf, descending: bool) -> None:
    # Several a microsecond, over a midnight: what an order that is not total would lose or give twice.
    await shelf.put(*(shelf.event(str(number), 68_032.999911 + number // 4 * 1e-6) for number in range(12)))
    seen: list[str] = []
    after: Keyset | None = None
    for _ in range(12):
        rows = await shelf.reader.page(shelf.tenant, EventFilter(), after=after, limit=5, descending=descending)
        if not rows:
            break
        seen += [row.event.id for row in rows]
        after = Keyset(rows[-1].event.received_at, str(rows[-1].event.key))
    assert len(seen) == 12
    assert set(seen) == {str(number) for number in range(12)}
    assert sorted(seen, key=lambda id_: int(id_) // 4, reverse=descending) == seen


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        (EventFilter(type="t1"), ["b", "a"]),
        (EventFilter(source="/s2"), ["c", "b"]),
        (EventFilter(subject="x"), ["a"]),
        (EventFilter(type="t1", source="/s2"), ["b"]),
        (EventFilter(since=MOMENT + timedelta(seconds=1)), ["c", "b"]),
        (EventFilter(until=MOMENT + timedelta(seconds=1)), ["a"]),
        (EventFilter(since=MOMENT, until=MOMENT), []),
        (EventFilter(since=MOMENT, until=MOMENT + timedelta(microseconds=1)), ["a"]),
        (EventFilter(type="T1"), []),
        (EventFilter(type="t%"), []),
    ],
)
async def test_a_filter_chooses_events(shelf: Shelf, where: EventFilter, ids: list[str]) -> None:
    await shelf.put(
        shelf.event("a", 0, type="t1", source="/s1", subject="x"),
        shelf.event("b", 1, type="t1", source="/s2"),
        shelf.event("c", 2, type="t2", source="/s2"),
    )
    assert await shelf.ids(where) == ids


async def test_a_filter_and_a_place_go_together(shelf: Shelf) -> None:
    events = [shelf.event(str(number), number, type=f"t{number % 2}") for number in range(6)]
    await shelf.put(*events)
    after = Keyset(events[4].received_at, str(events[4].key))
    assert await shelf.ids(EventFilter(type="t0"), after=after) == ["2", "0"]
    assert await shelf.ids(EventFilter(type="t0", since=events[1].received_at), after=after) == ["2"]


async def test_an_absent_replica_is_unavailable(absent: EventReader) -> None:
    with pytest.raises(Unavailable):
        await absent.by_id("tests", "1", None)
    with pytest.raises(Unavailable):
        await absent.dead("tests", "1", None)
    with pytest.raises(Unavailable):
        await absent.page("tests", EventFilter(), after=None, limit=1, descending=True)
