"""What the formats accept, the database accepts, and gives back as it was."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shared.adapters.postgres.engine import Reader, Writer
from shared.adapters.postgres.reader import PostgresEventReader
from shared.adapters.postgres.store import PostgresEventStore
from shared.events.limits import MAX_NESTING
from shared.events.media import PLAIN, STRUCTURED
from shared.events.model import Outcome, written
from shared.kit.errors import Invalid
from tests.fixtures.bodies import parse_event
from tests.fixtures.events import MOMENT, a_record, an_event
from tests.fixtures.parts import Database

pytestmark = pytest.mark.parts


@pytest.fixture(scope="module")
async def room(database: Database) -> AsyncIterator[tuple[PostgresEventStore, PostgresEventReader]]:
    """A store, and a reader of the same primary: here nothing is to wait for the replica."""
    writer = Writer(database.writer, application_name="integration")
    reader = Reader(database.writer, application_name="integration")
    yield PostgresEventStore(writer), PostgresEventReader(reader)
    await writer.close()
    await reader.close()


ODD = ["0", "-0", "-0.0", "1e308", "1.7976931348623157E+308", "5e-324", "1e400", "1e131072", "1E-20000", "0e99999"]
NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,4})?", fullmatch=True)
LONG = st.integers(1, 600).map(lambda digits: "7" * digits) | st.integers(1, 600).map(
    lambda digits: "0." + "3" * digits
)
ESCAPES = [
    "\\u0000",
    "\\u0001",
    "\\ud83d\\ude00",
    "\\ud83d",
    "\\ude00",
    "\\u00e9",
    "\\/",
    '\\"',
    "\\\\",
    "\\n",
    "é",
    "😀",
]
TEXTS = st.lists(
    st.sampled_from(ESCAPES) | st.text(max_size=3).map(lambda text: json.dumps(text)[1:-1]), max_size=4
).map(lambda pieces: '"' + "".join(pieces) + '"')
SCALARS = st.sampled_from(["null", "true", "false", *ODD]) | NUMBERS | LONG | TEXTS
DEEP = st.tuples(st.integers(1, MAX_NESTING + 2), st.sampled_from([("[", "]"), ('{"a":', "}"), (' [ "[", ', "]")])).map(
    lambda shape: shape[1][0] * shape[0] + "1" + shape[1][1] * shape[0]
)
DOCUMENTS = DEEP | st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda items: "[" + ", ".join(items) + "]")
        | st.lists(st.tuples(TEXTS, inner), max_size=4).map(
            lambda members: "{" + ",\t".join(f"{name}: {value}" for name, value in members) + "}"
        )
    ),
    max_leaves=12,
)


def value_of(data: bytes | None) -> Any:
    return None if data is None else (json.loads(data, parse_int=Decimal, parse_float=Decimal),)


@example([r'{"a": "\u0000", "a": 1}', '{"a": 1e131072, "a": 1}'])  # once accepted, and then refused by the database
@given(st.lists(DOCUMENTS, min_size=1, max_size=12))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
async def test_data_that_is_accepted_is_stored_and_read_back_equal(
    room: tuple[PostgresEventStore, PostgresEventReader], documents: list[str]
) -> None:
    store, reader = room
    accepted = []
    for document in documents:
        body = b'{"type": "t", "data": ' + document.encode() + b"}"
        try:
            accepted.append(an_event(data=parse_event(body, PLAIN).data))
        except Invalid:
            continue
    assert await store.store([a_record(event) for event in accepted]) == [Outcome.STORED] * len(accepted)
    for event in accepted:
        (stored,) = await reader.by_id(event.tenant, event.id, None)
        assert value_of(written(stored.event.data)) == value_of(written(event.data))


ATTRIBUTE = st.text(min_size=1, max_size=30) | st.sampled_from(
    ["\ufffe", "\U0010ffff", "\u2028", "\U0001f600" * 255, "'", "\\", "%s", "$1"]
)
TIMES = st.sampled_from(["0002-01-01T00:00:00+23:59", "9998-12-31T23:59:59.999999999-23:59", "2024-02-29T12:00:00z"])


@example({"time": "2026-01-01T00:00:00+23:59"})  # PostgreSQL reads offsets up to 15:59 only
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "subject": ATTRIBUTE,
            "dataschema": ATTRIBUTE,
            "datacontenttype": ATTRIBUTE,
            "partitionkey": ATTRIBUTE,
            "time": TIMES,
            "ext": ATTRIBUTE | st.booleans() | st.integers(-(2**31), 2**31 - 1),
            "source": ATTRIBUTE,
            "type": ATTRIBUTE,
        },
    )
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
async def test_attributes_that_are_accepted_are_stored_and_read_back_equal(
    room: tuple[PostgresEventStore, PostgresEventReader], attributes: dict[str, Any]
) -> None:
    store, reader = room
    members = {"specversion": "1.0", "id": str(uuid4()), "source": "/s", "type": "t"} | attributes
    try:
        draft = parse_event(json.dumps(members).encode(), STRUCTURED)
    except Invalid:
        return
    event = an_event(
        draft.id,
        source=draft.source,
        type=draft.type,
        subject=draft.subject,
        time=draft.time,
        partition_key=draft.key or "none",
        dataschema=draft.dataschema,
        datacontenttype=draft.datacontenttype,
        extensions=draft.extensions,
        data=draft.data,
        received_at=MOMENT,
    )
    assert await store.store([a_record(event)]) == [Outcome.STORED]
    (stored,) = await reader.by_id(event.tenant, event.id, event.source)
    for name in ("source", "type", "subject", "time", "partition_key", "dataschema", "datacontenttype", "extensions"):
        assert getattr(stored.event, name) == getattr(event, name)
