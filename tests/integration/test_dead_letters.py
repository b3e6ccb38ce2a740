"""Dead letters over a real database: whatever they hold, whoever changes them at once, what is said on the wire."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from millrace_harness.parts.endpoints import Endpoints
from shared.access.model import Principal
from shared.adapters.postgres.deadletters import PostgresDeadLetterStore
from shared.adapters.postgres.engine import Reader, Writer
from shared.adapters.postgres.migrate import migrate
from shared.adapters.postgres.reader import PostgresEventReader
from shared.adapters.postgres.store import PostgresEventStore
from shared.deadletters.bury import NOT_A_LETTER, Bury
from shared.deadletters.letters import Letters
from shared.deadletters.model import LetterFilter, NewLetter, Scope, State
from shared.events import envelope
from shared.events.dead import encode
from shared.events.model import LogRecord, Outcome, Position, RawRecord
from shared.events.ports import Refused
from shared.events.topics import DEAD_EVENTS
from shared.kit.clock import SystemClock
from shared.kit.cursor import CursorSigner
from tests.fixtures.events import MOMENT, an_event
from tests.fixtures.letters import a_change, a_letter, a_new_letter
from tests.fixtures.network import gate
from tests.fixtures.parts import Database, fresh_database

_SLACK_SECONDS = 5.0  # for a machine that has other things to do: what is told apart is a bound from a hang

pytestmark = pytest.mark.parts


@pytest.fixture(scope="module")
async def store(database: Database) -> AsyncIterator[PostgresDeadLetterStore]:
    writer = Writer(database.writer, application_name="integration")
    yield PostgresDeadLetterStore(writer)
    await writer.close()


def records_of(*values: bytes | None) -> list[RawRecord]:
    """Records of the topic of dead letters, each in a partition of its own."""
    partition = uuid4().int % 2**31
    return [RawRecord(DEAD_EVENTS.name, partition, offset, value) for offset, value in enumerate(values)]


TEXTS = st.text(max_size=8) | st.sampled_from(["\0", "a\0b", "\ud7ff", "\uffff", "x" * 300, "x" * 3000])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
NAMES = ["tenant", "id", "source", "type", "subject", "key", "received_at", "traceparent", "extensions", "time"]
OBJECTS = st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, JSON | TEXTS)).map(lambda it: json.dumps(it).encode())
VALUES = st.none() | st.binary(max_size=40) | OBJECTS
LETTERS = VALUES | VALUES.map(lambda value: encode(a_letter(value=value, tenant=None)))
TENANTS = TEXTS.map(lambda tenant: encode(a_letter(tenant=tenant, traceparent=tenant, value=b"\xff\0")))


@example([b'{"id": "a\\u0000b", "subject": "\\ud800", "type": "t"}', b"\0", None, encode(a_letter(tenant="a\0b"))])
@given(st.lists(LETTERS | TENANTS, min_size=1, max_size=12))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
async def test_whatever_the_topic_holds_is_kept(store: PostgresDeadLetterStore, values: list[bytes | None]) -> None:
    bury, records = Bury(store, SystemClock()), records_of(*values)
    done = {Outcome.STORED, Outcome.DUPLICATE}
    assert set(await bury(records)) <= done
    assert set(await bury(records)) == {Outcome.DUPLICATE}


async def test_a_letter_that_the_database_refuses_keeps_no_neighbour_out(store: PostgresDeadLetterStore) -> None:
    letters = [a_new_letter(tenant=f"refused-{uuid4()}") for _ in range(9)]
    letters[4] = NewLetter(letter=letters[4].letter, type="a\0b")  # which the domain does not make
    expected = [Outcome.STORED] * 4 + [Outcome.INVALID] + [Outcome.STORED] * 4
    assert await store.bury(letters) == expected


async def test_what_the_database_refuses_is_kept_as_it_is(
    store: PostgresDeadLetterStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The domain finds every text that a column cannot hold: here it is kept from looking.
    monkeypatch.setattr("shared.deadletters.bury._storable", lambda tenant: tenant)
    written = encode(a_letter(tenant="a\0b"))
    assert await Bury(store, SystemClock())(records_of(written, b"junk")) == [Outcome.STORED] * 2
    page = await store.page(
        Scope("nobody", orphans=True), LetterFilter(code=NOT_A_LETTER), after=None, limit=2, descending=True
    )
    whole = await store.some(Scope("nobody", orphans=True), [each.id for each in page])
    assert {each.letter.value for each in whole} == {written, b"junk"}


async def test_of_many_who_edit_one_letter_at_once_one_wins(store: PostgresDeadLetterStore, database: Database) -> None:
    scope = Scope(f"race-{uuid4()}")
    new = a_new_letter(tenant=scope.tenant)
    await store.bury([new])
    writers = [Writer(database.writer, application_name="integration") for _ in range(4)]
    stores = [PostgresDeadLetterStore(writer) for writer in writers]
    for round_ in range(5):
        changes = [a_change(f"{round_}-{number}".encode()) for number in range(4)]
        answers = await asyncio.gather(
            *(
                each.edit(scope, new.letter.id, change, expected=round_)
                for each, change in zip(stores, changes, strict=True)
            )
        )
        (winner,) = (number for number, answer in enumerate(answers) if answer is not None)
        found = await store.get(scope, new.letter.id)
        assert found is not None
        assert (found.value, len(found.edits)) == (changes[winner].value, round_ + 1)
    for writer in writers:
        await writer.close()


async def test_of_two_jobs_and_an_editor_at_once_each_letter_has_one_fate(
    store: PostgresDeadLetterStore, database: Database
) -> None:
    scope = Scope(f"race-{uuid4()}")
    letters = [a_new_letter(tenant=scope.tenant) for _ in range(200)]
    await store.bury(letters)
    ids = [each.letter.id for each in letters]
    writers = [Writer(database.writer, application_name="integration") for _ in range(3)]
    one, other, editing = (PostgresDeadLetterStore(writer) for writer in writers)

    async def edit_some() -> list[int]:
        edited = [await editing.edit(scope, ids[number], a_change(), expected=0) for number in range(50, 150, 10)]
        return [number for number, each in zip(range(50, 150, 10), edited, strict=True) if each is not None]

    # One goes backwards: the two wait for each other's rows, and PostgreSQL ends one of them as a deadlock.
    redriven, discarded, edited = await asyncio.gather(
        one.settle(scope, ids, State.REDRIVEN, job=uuid4()),
        other.settle(scope, ids[::-1], State.DISCARDED, job=uuid4()),
        edit_some(),
    )
    assert sorted([*redriven, *discarded]) == sorted(ids)
    whole = {each.letter.id: each for each in await store.some(scope, ids)}
    assert [number for number in range(200) if whole[ids[number]].edits] == edited
    assert {whole[each].state for each in redriven} <= {State.REDRIVEN}
    assert {whole[each].state for each in discarded} <= {State.DISCARDED}
    for writer in writers:
        await writer.close()


@pytest.mark.parametrize("poison", ["1e999", r'"\u0000"', r'{"\u0000": 1}'])
async def test_a_poison_event_is_mended_and_then_stored_once_as_itself(
    store: PostgresDeadLetterStore, database: Database, poison: str
) -> None:
    tenant = f"mend-{uuid4()}"
    event = an_event("order-1", tenant=tenant, data=poison, subject="s", extensions={"good": 1, "bad": "a\0b"})
    writer = Writer(database.writer, application_name="integration")
    events = PostgresEventStore(writer)
    assert isinstance(await events.store([LogRecord(event, Position(0, 1))]), Refused)
    letter = a_letter(value=envelope.encode(event), tenant=None)
    assert await Bury(store, SystemClock())(records_of(encode(letter))) == [Outcome.STORED]
    letters = Letters(store, CursorSigner("secret"), SystemClock())
    body = json.dumps({"event": {"type": "order.placed", "data": {"number": 1}}, "why": "w"}).encode()
    await letters.edit(Principal(name="somebody", tenant=tenant), letter.id, body, expected=["0-dead"])
    reader = Reader(database.reader, application_name="integration")
    await database.replicated()
    assert await PostgresEventReader(reader).dead(tenant, "order-1", "/tests") == [letter.id]
    await store.settle(Scope(tenant), [letter.id], State.REDRIVEN, job=uuid4())
    await database.replicated()
    assert await PostgresEventReader(reader).dead(tenant, "order-1", "/tests") == []
    await reader.close()
    found = await letters.get(Principal(name="somebody", tenant=tenant), letter.id)
    assert found.letter.value == letter.value
    mended = envelope.decode(found.value)
    assert (mended.key, mended.received_at, mended.extensions) == (event.key, event.received_at, {"good": 1})
    for outcome, offset in ((Outcome.STORED, 2), (Outcome.DUPLICATE, 3)):
        assert await events.store([LogRecord(mended, Position(0, offset))]) == [outcome]
    await writer.close()


async def test_a_database_that_accepts_and_never_answers_is_unavailable_within_a_bound() -> None:
    async with gate() as silent:
        writer = Writer(f"postgresql://millrace:nothing@{silent.address}/millrace", application_name="integration")
        began = time.monotonic()
        bury = Bury(PostgresDeadLetterStore(writer), SystemClock())
        assert await bury(records_of(b"junk", encode(a_letter()))) == [Outcome.UNAVAILABLE] * 2
        assert time.monotonic() - began < 2 * 2.0 + _SLACK_SECONDS
        await writer.close()


async def test_a_table_that_is_not_there_yet_is_no_letter_s_fault(endpoints: Endpoints) -> None:
    with fresh_database(endpoints, migrated=None) as empty:
        writer = Writer(empty.direct, application_name="integration")
        bury, records = Bury(PostgresDeadLetterStore(writer), SystemClock()), records_of(b"junk", encode(a_letter()))
        assert await bury(records) == [Outcome.UNAVAILABLE] * 2
        await migrate(empty.direct, today=MOMENT.date())
        assert await bury(records) == [Outcome.STORED] * 2
        await writer.close()


async def test_nothing_on_the_wire_would_pin_a_connection_of_a_proxy(database: Database) -> None:
    # RDS Proxy user guide, "Avoiding pinning": SET, PREPARE, DISCARD, temporary objects, statements over 16 KB. An
    # array that is not of texts makes asyncpg ask the catalog, with set_config.
    scheme, address, name = re.fullmatch(r"(.*@)(.*)(/.*)", database.writer).groups()  # type: ignore[union-attr]
    scope = Scope(f"wire-{uuid4()}", orphans=True)
    async with gate(address, is_open=True) as wire:
        writer = Writer(f"{scheme}{wire.address}{name}", application_name="integration")
        store = PostgresDeadLetterStore(writer)
        letters = [a_new_letter(tenant=scope.tenant) for _ in range(3)]
        ids = [each.letter.id for each in letters]
        assert await store.bury(letters) == [Outcome.STORED] * 3
        where = LetterFilter(
            state=State.DEAD, code="not_an_event", topic="events", partition=3, subject="s", since=MOMENT
        )
        assert await store.page(scope, where, after=None, limit=5, descending=True) == []
        assert await store.count(scope, LetterFilter(topic="events")) >= 3
        assert await store.edit(scope, ids[0], a_change(), expected=0) is not None
        assert len(await store.some(scope, ids)) == 3
        job = uuid4()
        assert await store.settle(scope, ids, State.REDRIVEN, job=job) == ids
        assert await store.reopen(scope, ids, job=job) == ids
        await writer.close()
    heard = bytes(wire.heard)
    assert b"INSERT INTO dead_letters" in heard
    assert b"UNION ALL" in heard
    statements = re.findall(rb"P(....)([^\0]*)\0([^\0]+)\0", heard, re.S)
    assert statements
    assert max(len(sql) for _, _, sql in statements) < 16_000
    assert {named for _, named, _ in statements} == {b""}, "a named statement"
    pinning = re.compile(
        rb"\b(?:SET|RESET|PREPARE|EXECUTE|DEALLOCATE|DISCARD|LISTEN|DECLARE|TEMP|TEMPORARY)\b(?! state| edits)"
        rb"|set_config|advisory|pg_type|__asyncpg",
        re.IGNORECASE,
    )
    assert pinning.findall(heard) == []
