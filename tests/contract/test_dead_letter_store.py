"""What DeadLetterStore promises, kept by the store in memory and by PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import msgspec
import pytest

from shared.adapters.memory.deadletters import MemoryDeadLetterStore
from shared.adapters.postgres.deadletters import PostgresDeadLetterStore
from shared.adapters.postgres.engine import Writer
from shared.deadletters.model import LetterFilter, LetterKeyset, Scope, State
from shared.deadletters.ports import DeadLetterStore
from shared.events.model import Outcome
from shared.kit.errors import Unavailable
from tests.fixtures.events import MOMENT
from tests.fixtures.letters import a_change, a_new_letter

_NOBODY = "postgresql://millrace:nothing@127.0.0.1:1/millrace"  # a port that nothing listens on
EVERY_BYTE = bytes(range(256))
ALL = LetterFilter()


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.parts)])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[DeadLetterStore]:
    """The port over something that answers."""
    if request.param == "memory":
        yield MemoryDeadLetterStore()
        return
    writer = Writer(request.getfixturevalue("database").writer, application_name="contract")
    yield PostgresDeadLetterStore(writer)
    await writer.close()


@pytest.fixture(params=["memory", "postgres"])
async def absent(request: pytest.FixtureRequest) -> AsyncIterator[DeadLetterStore]:
    """The port over nothing."""
    if request.param == "memory":
        memory = MemoryDeadLetterStore()
        memory.away = True
        yield memory
        return
    writer = Writer(_NOBODY, application_name="contract")
    yield PostgresDeadLetterStore(writer)
    await writer.close()


@pytest.fixture
def scope() -> Scope:
    """The letters of a tenant of whom nothing is stored."""
    return Scope(f"contract-{uuid4().hex[:12]}")


async def buried(store: DeadLetterStore, scope: Scope, *seconds: float, **changes: object) -> list[UUID]:
    """The ids of new letters that died after so many seconds each."""
    topic = f"contract-{uuid4().hex[:12]}"
    letters = [
        a_new_letter(each, **{"tenant": scope.tenant, "topic": topic, "offset": number} | changes)
        for number, each in enumerate(seconds)
    ]
    assert await store.bury(letters) == [Outcome.STORED] * len(letters)
    return [each.letter.id for each in letters]


async def listed(
    store: DeadLetterStore, scope: Scope, where: LetterFilter = ALL, *, descending: bool = True
) -> list[UUID]:
    page = await store.page(scope, where, after=None, limit=50, descending=descending)
    return [each.id for each in page]


async def test_a_letter_is_given_back_as_it_was_buried(store: DeadLetterStore, scope: Scope) -> None:
    new = a_new_letter(
        tenant=scope.tenant,
        topic=scope.tenant,
        partition=2**31 - 1,
        offset=2**63 - 1,
        timestamp_ms=-1,
        key=EVERY_BYTE,
        value=EVERY_BYTE * 4096,
        reason="é",
        attempts=7,
        traceparent="00-trace",
        event_id="1",
        source="/s",
        type="t",
        subject="é",
    )
    before = datetime.now(UTC) - timedelta(seconds=1)  # the database has a clock of its own
    assert await store.bury([new]) == [Outcome.STORED]
    found = await store.get(scope, new.letter.id)
    assert found is not None
    assert found.letter == new.letter
    assert (found.event_id, found.source, found.type, found.subject) == ("1", "/s", "t", "é")
    assert (found.state, found.edits, found.settled_at, found.settled_by) == (State.DEAD, (), None, None)
    assert found.value == new.letter.value
    assert before < found.buried_at < datetime.now(UTC) + timedelta(seconds=1)


@pytest.mark.parametrize("value", [None, b""])
async def test_no_value_and_an_empty_one_are_two(store: DeadLetterStore, scope: Scope, value: bytes | None) -> None:
    (id_,) = await buried(store, scope, 0, key=value, value=value)
    found = await store.get(scope, id_)
    assert found is not None
    assert (found.letter.key, found.letter.value) == (value, value)


async def test_a_letter_that_is_there_is_a_duplicate_and_stays_as_it_is(store: DeadLetterStore, scope: Scope) -> None:
    first, other = a_new_letter(tenant=scope.tenant), a_new_letter(tenant=scope.tenant)
    again = msgspec.structs.replace(first, letter=msgspec.structs.replace(first.letter, reason="another", attempts=9))
    assert await store.bury([first]) == [Outcome.STORED]
    assert await store.bury([again, other, other]) == [Outcome.DUPLICATE, Outcome.STORED, Outcome.DUPLICATE]
    found = await store.get(scope, first.letter.id)
    assert found is not None
    assert found.letter == first.letter


async def test_no_letters_have_no_outcomes(store: DeadLetterStore) -> None:
    assert await store.bury([]) == []


async def test_a_letter_of_another_tenant_is_none(store: DeadLetterStore, scope: Scope) -> None:
    ids = await buried(store, scope, 0)
    other = Scope(f"{scope.tenant}-other", orphans=True)
    assert await store.get(other, ids[0]) is None
    assert await store.some(other, ids) == []
    assert ids[0] not in await listed(store, other)
    assert await store.edit(other, ids[0], a_change(), expected=0) is None
    assert await store.settle(other, ids, State.DISCARDED, job=uuid4()) == []
    assert await listed(store, scope, LetterFilter(state=State.DEAD)) == ids


async def test_a_letter_of_nobody_is_seen_only_by_who_may_see_orphans(store: DeadLetterStore, scope: Scope) -> None:
    topic = scope.tenant
    (orphan,) = await buried(store, scope, 1, tenant=None, topic=topic)
    (own,) = await buried(store, scope, 0, topic=f"{topic}-own")
    seeing = Scope(scope.tenant, orphans=True)
    assert await store.get(scope, orphan) is None
    assert await listed(store, scope) == [own]
    assert await store.count(scope, ALL) == 1
    found = await store.get(seeing, orphan)
    assert found is not None
    assert found.letter.tenant is None
    assert await listed(store, seeing, LetterFilter(topic=topic)) == [orphan]
    assert [each.letter.id for each in await store.some(seeing, [own, orphan])] == [own, orphan]
    assert await store.count(seeing, LetterFilter(topic=topic)) == 1
    assert await store.settle(seeing, [orphan], State.DISCARDED, job=uuid4()) == [orphan]


@pytest.mark.parametrize("descending", [True, False])
async def test_pages_go_on_beyond_the_last_letter_also_among_orphans(
    store: DeadLetterStore, scope: Scope, descending: bool
) -> None:
    seeing = Scope(scope.tenant, orphans=True)
    code = scope.tenant  # orphans of other tests are there too
    # Several a moment: what an order that is not total would lose or give twice.
    ids = await buried(store, scope, *[number // 4 for number in range(12)], code=code)
    ids += await buried(store, scope, *[number // 4 for number in range(12)], code=code, tenant=None)
    seen = []
    after = None
    for _ in range(24):
        page = await store.page(seeing, LetterFilter(code=code), after=after, limit=5, descending=descending)
        if not page:
            break
        seen += page
        after = LetterKeyset(page[-1].dead_at, page[-1].id)
    assert len(seen) == 24
    assert {each.id for each in seen} == set(ids)
    assert sorted(seen, key=lambda each: (each.dead_at, each.id), reverse=descending) == seen


async def test_a_list_tells_all_but_the_bytes(store: DeadLetterStore, scope: Scope) -> None:
    new = a_new_letter(tenant=scope.tenant, value=b"x" * 300_000, traceparent="00-trace", event_id="1", type="t")
    await store.bury([new])
    (found,) = await store.page(scope, ALL, after=None, limit=9, descending=True)
    letter = new.letter
    assert (found.id, found.tenant, found.topic, found.partition, found.offset, found.timestamp_ms) == (
        letter.id,
        letter.tenant,
        letter.topic,
        letter.partition,
        letter.offset,
        letter.timestamp_ms,
    )
    assert (found.code, found.reason, found.attempts, found.traceparent, found.dead_at) == (
        letter.code,
        letter.reason,
        letter.attempts,
        letter.traceparent,
        letter.dead_at,
    )
    assert (found.event_id, found.source, found.type, found.subject) == ("1", None, "t", None)
    assert (found.size, found.edits, found.state) == (300_000, 0, State.DEAD)
    await store.edit(scope, letter.id, a_change(b"four"), expected=0)
    (found,) = await store.page(scope, ALL, after=None, limit=9, descending=True)
    assert (found.size, found.edits) == (4, 1)


FILTERS = [
    (LetterFilter(code="c1"), [2, 0]),
    (LetterFilter(partition=7), [1]),
    (LetterFilter(type="t1", source="/s2"), [1]),
    (LetterFilter(subject="x"), [0]),
    (LetterFilter(since=MOMENT + timedelta(seconds=1)), [2, 1]),
    (LetterFilter(until=MOMENT + timedelta(seconds=1)), [0]),
    (LetterFilter(since=MOMENT, until=MOMENT), []),
    (LetterFilter(since=MOMENT, until=MOMENT + timedelta(microseconds=1)), [0]),
    (LetterFilter(state=State.DISCARDED), [2]),
    (LetterFilter(state=State.DEAD, code="c1"), [0]),
    (LetterFilter(type="T1"), []),
    (LetterFilter(type="t%"), []),
    (LetterFilter(type="a\0b"), []),
    (LetterFilter(topic="nothing"), []),
]


@pytest.mark.parametrize(("where", "expected"), FILTERS)
async def test_a_filter_chooses_letters(
    store: DeadLetterStore, scope: Scope, where: LetterFilter, expected: list[int]
) -> None:
    letters = [
        a_new_letter(0, tenant=scope.tenant, code="c1", type="t1", source="/s1", subject="x"),
        a_new_letter(1, tenant=scope.tenant, code="c2", type="t1", source="/s2", partition=7),
        a_new_letter(2, tenant=scope.tenant, code="c1", type="t2"),
    ]
    await store.bury(letters)
    ids = [each.letter.id for each in letters]
    await store.settle(scope, ids[2:], State.DISCARDED, job=uuid4())
    assert await listed(store, scope, where) == [ids[number] for number in expected]
    assert await store.count(scope, where) == len(expected)


async def test_some_are_given_whole_in_order_and_what_is_not_there_is_passed_over(
    store: DeadLetterStore, scope: Scope
) -> None:
    ids = await buried(store, scope, 2, 0, 1)
    await store.edit(scope, ids[0], a_change(b"mended"), expected=0)
    found = await store.some(scope, [*ids, uuid4(), ids[0]])
    assert [each.letter.id for each in found] == [ids[1], ids[2], ids[0]]
    assert [each.value for each in found] == [b"{}", b"{}", b"mended"]
    assert [len(each.edits) for each in found] == [0, 0, 1]
    assert await store.some(scope, []) == []


async def test_an_edit_is_kept_with_who_made_it_and_the_original_stays(store: DeadLetterStore, scope: Scope) -> None:
    (id_,) = await buried(store, scope, 0, value=EVERY_BYTE, type="before", subject="before")
    first = a_change(b"first", why="é", event_id="1", type="after", subject="after")
    second = a_change(EVERY_BYTE[::-1], event_id="1", source=None, type="after", subject=None)
    assert await store.edit(scope, id_, first, expected=0) is not None
    changed = await store.edit(scope, id_, second, expected=1)
    assert changed is not None
    assert changed == await store.get(scope, id_)
    assert changed.letter.value == EVERY_BYTE
    assert (changed.value, changed.edits) == (EVERY_BYTE[::-1], (first.edit, second.edit))
    assert (changed.event_id, changed.source, changed.type, changed.subject) == ("1", None, "after", None)


async def test_a_letter_is_found_by_every_subject_that_it_ever_had(store: DeadLetterStore, scope: Scope) -> None:
    ids = await buried(store, scope, 0, subject="first")
    for number, subject in enumerate(("second", "third")):
        await store.edit(scope, ids[0], a_change(subject=subject), expected=number)
    for subject in ("first", "second", "third"):
        assert await listed(store, scope, LetterFilter(subject=subject)) == ids
    assert await listed(store, scope, LetterFilter(subject="fourth")) == []


async def test_an_edit_of_what_has_changed_meanwhile_changes_nothing(store: DeadLetterStore, scope: Scope) -> None:
    (id_,) = await buried(store, scope, 0)
    assert await store.edit(scope, id_, a_change(b"first"), expected=0) is not None
    for expected in (0, 2):
        assert await store.edit(scope, id_, a_change(b"late"), expected=expected) is None
    found = await store.get(scope, id_)
    assert found is not None
    assert (found.value, len(found.edits)) == (b"first", 1)
    assert await store.edit(scope, uuid4(), a_change(), expected=0) is None


async def test_of_those_who_edit_at_once_one_wins(store: DeadLetterStore, scope: Scope) -> None:
    (id_,) = await buried(store, scope, 0)
    changes = [a_change(f"{number}".encode()) for number in range(8)]
    answers = await asyncio.gather(*(store.edit(scope, id_, change, expected=0) for change in changes))
    (winner,) = (number for number, answer in enumerate(answers) if answer is not None)
    found = await store.get(scope, id_)
    assert found is not None
    assert (found.value, len(found.edits)) == (f"{winner}".encode(), 1)


async def test_a_letter_of_nobody_belongs_to_who_makes_an_event_of_it(store: DeadLetterStore, scope: Scope) -> None:
    (id_,) = await buried(store, scope, 0, tenant=None)
    seeing = Scope(scope.tenant, orphans=True)
    assert await store.edit(scope, id_, a_change(tenant=scope.tenant), expected=0) is None
    assert await store.edit(seeing, id_, a_change(tenant=scope.tenant), expected=0) is not None
    assert await listed(store, scope) == [id_]
    assert await store.get(Scope("somebody-else", orphans=True), id_) is None
    # One that has a tenant keeps it.
    (own,) = await buried(store, scope, 0)
    changed = await store.edit(scope, own, a_change(tenant="another"), expected=0)
    assert changed is not None
    assert changed.letter.tenant == scope.tenant


async def test_letters_are_settled_once_and_that_can_be_repeated(store: DeadLetterStore, scope: Scope) -> None:
    ids = await buried(store, scope, 0, 1, 2)
    job = uuid4()
    before = datetime.now(UTC) - timedelta(seconds=1)
    assert await store.settle(scope, ids[:2][::-1], State.REDRIVEN, job=job) == ids[:2][::-1]
    first = await store.get(scope, ids[0])
    assert first is not None
    assert (first.state, first.settled_by) == (State.REDRIVEN, job)
    assert first.settled_at is not None
    assert before < first.settled_at < datetime.now(UTC) + timedelta(seconds=1)
    assert await store.settle(scope, [*ids, uuid4()], State.REDRIVEN, job=job) == ids
    assert await store.get(scope, ids[0]) == first
    assert await store.settle(scope, ids, State.REDRIVEN, job=uuid4()) == []
    assert await store.settle(scope, ids, State.DISCARDED, job=job) == []
    assert await store.get(scope, ids[0]) == first


async def test_of_two_jobs_that_settle_at_once_each_has_its_own_letters(store: DeadLetterStore, scope: Scope) -> None:
    ids = await buried(store, scope, *range(20))
    taken = await asyncio.gather(
        store.settle(scope, ids, State.REDRIVEN, job=uuid4()),
        store.settle(scope, ids[::-1], State.DISCARDED, job=uuid4()),
    )
    assert sorted([*taken[0], *taken[1]]) == sorted(ids)


async def test_nobody_edits_a_letter_that_is_settled(store: DeadLetterStore, scope: Scope) -> None:
    ids = await buried(store, scope, 0)
    await store.settle(scope, ids, State.REDRIVEN, job=uuid4())
    assert await store.edit(scope, ids[0], a_change(), expected=0) is None


async def test_a_job_can_take_back_what_it_settled_and_nothing_else(store: DeadLetterStore, scope: Scope) -> None:
    ids = await buried(store, scope, 0, 1, 2)
    job, other = uuid4(), uuid4()
    await store.settle(scope, ids[:1], State.REDRIVEN, job=job)
    await store.settle(scope, ids[1:2], State.REDRIVEN, job=other)
    assert await store.reopen(scope, ids, job=job) == ids[:1]
    found = await store.get(scope, ids[0])
    assert found is not None
    assert (found.state, found.settled_at, found.settled_by) == (State.DEAD, None, None)
    assert await store.settle(scope, ids, State.DISCARDED, job=other) == [ids[0], ids[2]]


async def test_what_is_removed_is_gone_with_its_edits_and_may_be_buried_anew(
    store: DeadLetterStore, scope: Scope
) -> None:
    new, other = a_new_letter(0, tenant=scope.tenant, subject="s"), a_new_letter(1, tenant=scope.tenant)
    await store.bury([new, other])
    id_ = new.letter.id
    await store.edit(scope, id_, a_change(subject="t"), expected=0)
    assert await store.remove(Scope("somebody else", orphans=True), [id_]) == []
    assert await store.remove(scope, [uuid4(), id_]) == [id_]
    assert await store.remove(scope, [id_]) == []
    assert await listed(store, scope) == [other.letter.id]
    assert await store.bury([new]) == [Outcome.STORED]
    found = await store.get(scope, id_)
    assert found is not None
    assert (found.edits, found.value) == ((), new.letter.value)
    assert await listed(store, scope, LetterFilter(subject="t")) == []


async def test_where_the_store_is_away_everything_says_so(absent: DeadLetterStore, scope: Scope) -> None:
    assert await absent.bury([a_new_letter(), a_new_letter()]) == [Outcome.UNAVAILABLE] * 2
    assert await absent.bury([]) == []
    with pytest.raises(Unavailable):
        await absent.get(scope, uuid4())
    with pytest.raises(Unavailable):
        await absent.page(scope, ALL, after=None, limit=1, descending=True)
    with pytest.raises(Unavailable):
        await absent.some(scope, [uuid4()])
    with pytest.raises(Unavailable):
        await absent.count(scope, ALL)
    with pytest.raises(Unavailable):
        await absent.edit(scope, uuid4(), a_change(), expected=0)
    with pytest.raises(Unavailable):
        await absent.settle(scope, [uuid4()], State.REDRIVEN, job=uuid4())
    with pytest.raises(Unavailable):
        await absent.reopen(scope, [uuid4()], job=uuid4())
    with pytest.raises(Unavailable):
        await absent.remove(scope, [uuid4()])
