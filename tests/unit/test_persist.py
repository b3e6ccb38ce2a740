"""A batch of records is stored, with an outcome for each."""

import logging
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events.envelope import encode
from shared.events.model import Event, LogRecord, Outcome, Position, StoredEvent
from shared.events.ports import EventFilter, Refused
from tests.fixtures.events import a_record, an_event
from tests.fixtures.persist import PersistRoom, raw

STORED, DUPLICATE, INVALID, UNAVAILABLE = Outcome.STORED, Outcome.DUPLICATE, Outcome.INVALID, Outcome.UNAVAILABLE


async def test_outcomes_stand_in_the_order_of_their_records() -> None:
    event = an_event()
    records = [raw(b"junk"), raw(event, 1), raw(None, 2), raw(an_event(), 3), raw(event, 4), raw(b"{}", 5)]
    outcomes = await PersistRoom().persist(records)
    assert outcomes == [INVALID, STORED, INVALID, STORED, DUPLICATE, INVALID]


async def test_bytes_that_are_not_utf8_do_not_keep_their_neighbours_from_being_stored() -> None:
    broken = encode(an_event(data='"here"')).replace(b"here", b"\xff")
    assert await PersistRoom().persist([raw(broken), raw(an_event(), 1)]) == [INVALID, STORED]


async def test_an_event_is_stored_with_its_place_in_the_log() -> None:
    room = PersistRoom()
    await room.persist([raw(an_event(), offset=17, partition=3)])
    (stored,) = await room.store.page("tests", EventFilter(), after=None, limit=10, descending=True)
    assert stored.position == Position(3, 17)


async def test_a_batch_again_is_all_duplicates() -> None:
    room = PersistRoom()
    records = [raw(an_event(), number) for number in range(3)]
    assert await room.persist(records) == [STORED] * 3
    assert await room.persist(records) == [DUPLICATE] * 3


async def test_where_storage_is_away_nothing_is_done_and_nothing_is_buried() -> None:
    room = PersistRoom()
    room.store.away = True
    records = [raw(b"junk"), raw(an_event(), 1), raw(None, 2), raw(b"junk", 0, partition=1)]
    assert await room.persist(records) == [UNAVAILABLE] * 4
    assert room.dead.letters == []


async def test_an_empty_batch_has_no_outcomes() -> None:
    assert await PersistRoom().persist([]) == []


async def test_those_who_wait_are_told_of_what_is_stored_and_of_what_was() -> None:
    room = PersistRoom()
    awaited, other = an_event(waiter="w"), an_event()
    await room.persist([raw(awaited), raw(other, 1), raw(None, 2)])
    assert room.waiters.told == {"w": {awaited.key}}
    room.waiters.told.clear()
    await room.persist([raw(awaited)])
    assert room.waiters.told == {"w": {awaited.key}}


async def test_nobody_is_told_while_storage_is_away() -> None:
    room = PersistRoom()
    room.store.away = True
    await room.persist([raw(an_event(waiter="w"))])
    assert room.waiters.told == {}


async def test_nobody_is_told_of_an_event_that_was_buried() -> None:
    room = PersistRoom()
    assert await room.persist([raw(an_event("\0", waiter="w")), raw(an_event(), 1)]) == [INVALID, STORED]
    assert room.waiters.told == {}


async def test_what_storage_refuses_is_buried_and_its_neighbours_are_stored_in_the_same_pass() -> None:
    room = PersistRoom()
    records = [raw(an_event(), 0), raw(an_event("\0"), 1), raw(an_event(), 2), raw(an_event(subject="\0"), 3)]
    assert await room.persist(records) == [STORED, INVALID, STORED, INVALID]
    assert [(letter.offset, letter.code) for letter in room.dead.letters] == [
        (1, "refused_by_storage"),
        (3, "refused_by_storage"),
    ]


async def test_a_buried_record_comes_again_as_the_same_letter() -> None:
    room = PersistRoom()
    records = [raw(b"junk"), raw(an_event("\0"), 1)]
    assert await room.persist(records) == await room.persist(records) == [INVALID] * 2
    assert len({letter.id for letter in room.dead.letters}) == 2


async def test_a_letter_that_is_not_acknowledged_cuts_its_partition_there() -> None:
    room = PersistRoom()
    room.dead.away = True
    records = [raw(an_event(), 0), raw(b"junk", 1), raw(an_event(waiter="w"), 2), raw(an_event(), 7, partition=1)]
    assert await room.persist(records) == [STORED, UNAVAILABLE, UNAVAILABLE, STORED]
    assert room.waiters.told == {}
    room.dead.away = False
    assert await room.persist(records) == [DUPLICATE, INVALID, STORED, DUPLICATE]


async def test_nothing_is_reported_as_buried_behind_a_letter_that_was_not_acknowledged() -> None:
    room = PersistRoom()
    room.dead.room = 1
    assert await room.persist([raw(b"a", 0), raw(b"b", 1), raw(b"c", 2)]) == [INVALID, UNAVAILABLE, UNAVAILABLE]


async def test_where_storage_goes_away_meanwhile_nothing_is_reported_behind_what_waits() -> None:
    room = PersistRoom()
    examine = room.store.examine

    async def last_answer(records: list[object]) -> dict[int, str]:
        reasons = await examine(records)  # type: ignore[arg-type]
        room.store.away = True
        return reasons

    room.store.examine = last_answer  # type: ignore[method-assign,assignment]  # no other way to go away in between
    records = [raw(b"junk", 0), raw(an_event(), 1), raw(b"junk", 2), raw(b"junk", 9, partition=1)]
    assert await room.persist(records) == [INVALID, UNAVAILABLE, UNAVAILABLE, INVALID]


async def test_a_partition_of_which_too_much_is_poison_stops_and_the_others_go_on() -> None:
    room = PersistRoom()
    records = [raw(b"junk" if number % 3 else an_event(), number) for number in range(60)]
    others = [raw(an_event(), number, partition=1) for number in range(5)]
    outcomes = await room.persist(records + others)
    stop = outcomes.index(UNAVAILABLE)
    assert records[stop].value == b"junk"
    assert len(room.dead.letters) == 19  # 20 poison records make a share
    assert outcomes[stop:60] == [UNAVAILABLE] * (60 - stop)
    assert outcomes[60:] == [STORED] * 5
    assert await room.persist(records[stop:]) == [UNAVAILABLE] * (60 - stop)
    assert len(room.dead.letters) == 19


async def test_what_storage_refuses_counts_as_poison_and_none_of_it_is_buried_behind_the_stop() -> None:
    room = PersistRoom()
    records = [raw((b"junk", an_event("\0"), an_event())[number % 3], number) for number in range(60)]
    outcomes = await room.persist(records)
    stop = outcomes.index(UNAVAILABLE)
    assert {letter.offset for letter in room.dead.letters} == {n for n in range(stop) if n % 3 < 2}
    assert len(room.dead.letters) == 19


async def test_a_partition_that_stops_says_where_and_at_which_share(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        await PersistRoom().persist([raw(b"junk", number, partition=7) for number in range(30)])
    (entry,) = [entry for entry in caplog.records if entry.message == "batch.partition_stops"]
    assert (entry.levelname, entry.__dict__["place"], entry.__dict__["share"]) == ("ERROR", "events-7@19", 1.0)


async def test_what_a_search_for_poison_did_not_come_to_waits_and_the_rest_is_stored() -> None:
    room = PersistRoom()
    answers: list[Refused] = [Refused({0: "Refused."}, 2)]
    store = room.store.store

    async def searched(records: Sequence[LogRecord]) -> list[Outcome] | Refused:
        return answers.pop() if answers else await store(records)

    room.store.store = searched  # type: ignore[method-assign]  # nothing in memory takes long to search
    assert await room.persist([raw(an_event(), number) for number in range(4)]) == [
        INVALID,
        STORED,
        UNAVAILABLE,
        UNAVAILABLE,
    ]


kinds = st.sampled_from(["event", "known", "junk", "refused"])


@given(
    st.lists(st.tuples(kinds, st.integers(0, 2)), max_size=40),
    st.sampled_from([None, 0, 1, 3, 10]),
    st.booleans(),
    st.sampled_from([0.0, 0.3, 1.0]),
)
async def test_whatever_comes_a_partition_is_done_up_to_a_record_and_no_further(
    given_: list[tuple[str, int]], room_for_letters: int | None, away: bool, share: float
) -> None:
    room = PersistRoom(max_poison_share=share)
    known = an_event()
    await room.store.store([a_record(known, offset=1000)])
    room.dead.room, room.store.away = room_for_letters, away
    values: dict[str, Event | bytes] = {"known": known, "junk": b"junk"}
    batch = [
        raw(values.get(kind) or an_event(f"{number}" + "\0" * (kind == "refused")), number, partition)
        for number, (kind, partition) in enumerate(given_)
    ]
    outcomes = await room.persist(batch)
    room.store.away = False
    held = {(row.position.partition, row.position.offset) for row in await stored(room)}
    buried = {(letter.partition, letter.offset) for letter in room.dead.letters}
    ended: set[int] = set()
    for record, (kind, partition), outcome in zip(batch, given_, outcomes, strict=True):
        place = (partition, record.offset)
        ended |= {partition} if outcome is UNAVAILABLE else set()
        assert (outcome is UNAVAILABLE) == (partition in ended)
        assert (place in held) == (outcome is STORED)
        assert outcome is not INVALID or place in buried
        assert outcome in {"event": (STORED, UNAVAILABLE), "known": (DUPLICATE, UNAVAILABLE)}.get(
            kind, (INVALID, UNAVAILABLE)
        )


async def stored(room: PersistRoom) -> list[StoredEvent]:
    rows = await room.store.page("tests", EventFilter(), after=None, limit=100, descending=True)
    return [row for row in rows if row.position.offset < 1000]


async def test_with_a_share_of_one_no_partition_ever_stops() -> None:
    room = PersistRoom(max_poison_share=1.0)
    assert await room.persist([raw(b"junk", number) for number in range(200)]) == [INVALID] * 200
    assert len(room.dead.letters) == 200


async def test_letters_that_are_sent_on_their_way_unmended_stop_no_partition() -> None:
    room = PersistRoom()
    unmended = [raw(an_event(f"unmended {number}\0", attempts=1), number) for number in range(40)]
    good = [raw(an_event(), 40 + number) for number in range(40)]
    outcomes = await room.persist([*unmended, *good])
    assert outcomes == [Outcome.INVALID] * 40 + [Outcome.STORED] * 40
    assert {letter.attempts for letter in room.dead.letters} == {2}
