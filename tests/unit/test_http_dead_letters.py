"""Dead letters as their readers see them."""

import base64
import json
from datetime import timedelta
from uuid import uuid4

import pytest

from shared.access.model import Principal
from shared.deadletters.model import NewLetter, Scope, State
from shared.events.envelope import encode
from shared.kit.errors import Unauthenticated
from tests.fixtures.doors import ManageDoor, client_of
from tests.fixtures.events import MOMENT, an_event
from tests.fixtures.letters import a_letter, a_new_letter
from tests.fixtures.manage import faults, send

PATH = "/v1/dead-letters"


class Somebody:
    """An authenticator that knows one principal."""

    def __init__(self, principal: Principal) -> None:
        self._principal = principal

    async def authenticate(self, authorization: str | None) -> Principal:
        if authorization is None:
            raise Unauthenticated("Send a key.")
        return self._principal


@pytest.fixture
def door() -> ManageDoor:
    """One without any letters."""
    return ManageDoor()


async def hold(door: ManageDoor, *letters: NewLetter) -> list[str]:
    """The ids of `letters`, which are buried."""
    await door.letters.bury(letters)
    return [str(each.letter.id) for each in letters]


async def listed(door: ManageDoor, query: str = "") -> list[str]:
    response = await send(door, "GET", PATH + query)
    assert response.status_code == 200, response.text
    return [each["id"] for each in response.json()["letters"]]


async def test_a_letter_is_listed_without_its_bytes(door: ManageDoor) -> None:
    new = a_new_letter(value=b"secret", event_id="1", source="/s", type="t", subject="x")
    (id_,) = await hold(door, new)
    letter = new.letter
    assert (await send(door, "GET", PATH)).json() == {
        "letters": [
            {
                "id": id_,
                "tenant": "tests",
                "topic": "events",
                "partition": 3,
                "offset": letter.offset,
                "timestamp_ms": letter.timestamp_ms,
                "code": "not_an_event",
                "reason": letter.reason,
                "attempts": 1,
                "traceparent": None,
                "dead_at": MOMENT.isoformat().replace("+00:00", "Z"),
                "buried_at": MOMENT.isoformat().replace("+00:00", "Z"),
                "size": 6,
                "state": "dead",
                "edit_count": 0,
                "settled_at": None,
                "settled_by": None,
                "event_id": "1",
                "source": "/s",
                "type": "t",
                "subject": "x",
            }
        ],
        "next": None,
    }


async def test_letters_are_listed_the_last_to_die_first(door: ManageDoor) -> None:
    ids = await hold(door, *[a_new_letter(seconds) for seconds in (1, 0, 2)])
    assert await listed(door) == [ids[2], ids[0], ids[1]]
    assert await listed(door, "?order=asc") == [ids[1], ids[0], ids[2]]


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_pages_joined_by_their_links_hold_every_letter_once(door: ManageDoor, order: str) -> None:
    ids = await hold(door, *[a_new_letter(number // 3, type="t") for number in range(8)], a_new_letter(type="u"))
    seen: list[str] = []
    path = f"{PATH}?type=t&limit=3&order={order}"
    while path:
        page = await send(door, "GET", path)
        seen += [each["id"] for each in page.json()["letters"]]
        following = page.links.get("next", {}).get("url")
        assert (page.json()["next"] is None) is (following is None)
        path = f"{PATH}{following}" if following else ""
    assert len(seen) == 8
    assert set(seen) == set(ids[:8])


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?state=discarded", [1]),
        ("?state=dead", [2, 0]),
        ("?code=c", [1]),
        ("?topic=other", [2]),
        ("?partition=7", [2]),
        ("?type=t", [1, 0]),
        ("?source=/s&type=t", [0]),
        ("?subject=x", [0]),
        ("?since=2026-03-04T05:06:08.000089Z", [2, 1]),
        ("?until=2026-03-04T06:06:08.000089%2B01:00", [0]),
        ("?type=null", []),
        ("?type=", []),
    ],
)
async def test_a_filter_chooses_letters(door: ManageDoor, query: str, expected: list[int]) -> None:
    letters = [
        a_new_letter(0, type="t", source="/s", subject="x"),
        a_new_letter(1, type="t", code="c"),
        a_new_letter(2, topic="other", partition=7),
    ]
    ids = await hold(door, *letters)
    await door.letters.settle(Scope("tests"), [letters[1].letter.id], State.DISCARDED, job=uuid4())
    assert await listed(door, query) == [ids[number] for number in expected]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("state=buried", ("/state", "parameter")),
        ("partition=-1", ("/partition", "parameter")),
        ("partition=x", ("/partition", "parameter")),
        ("partition=2147483648", ("/partition", "parameter")),
        ("limit=0", ("/limit", "parameter")),
        ("limit=201", ("/limit", "parameter")),
        ("order=up", ("/order", "parameter")),
        ("since=yesterday", ("/since", "parameter")),
        ("since=1772600767", ("/since", "parameter")),
        ("until=2026-01-02T03:04:05", ("/until", "parameter")),
        ("until=0001-01-01T00:00:00Z", ("/until", "parameter")),
        ("type=a&type=b", ("/type", "parameter")),
        ("type=a%00b", ("/type", "parameter")),
        ("tenant=other", ("/tenant", "unknown_parameter")),
        ("event_id=1", ("/event_id", "unknown_parameter")),
    ],
)
async def test_a_parameter_that_is_not_understood_is_refused(
    door: ManageDoor, query: str, expected: tuple[str, str]
) -> None:
    assert faults(await send(door, "GET", f"{PATH}?{query}"), 422) == [expected]


async def test_a_cursor_belongs_to_its_question(door: ManageDoor) -> None:
    await hold(door, a_new_letter(0), a_new_letter(1))
    cursor = (await send(door, "GET", f"{PATH}?limit=1")).json()["next"]
    assert len(await listed(door, f"?limit=1&cursor={cursor}")) == 1
    for query in (f"order=asc&cursor={cursor}", f"type=t&cursor={cursor}", "cursor=m4rk3r", f"cursor=A{cursor}"):
        response = await send(door, "GET", f"{PATH}?{query}")
        assert faults(response, 400) == [("/cursor", "cursor")]
        assert "m4rk3r" not in response.text
    stranger = ManageDoor(letters=door.letters, access=Somebody(Principal(name="n", tenant="other", operator=True)))
    assert faults(await send(stranger, "GET", f"{PATH}?cursor={cursor}"), 400) == [("/cursor", "cursor")]


async def test_an_event_is_shown_as_the_json_it_is(door: ManageDoor) -> None:
    event = encode(an_event("1", data='{"a": [1.50, null]}'))
    (id_,) = await hold(door, a_new_letter(value=event, key=b"\xff", event_id="1"))
    letter = await send(door, "GET", f"{PATH}/{id_}")
    assert letter.json()["value"] == json.loads(event)
    assert event in letter.content
    assert letter.json()["key_base64"] == "/w=="
    assert letter.json()["size"] == len(event)
    assert letter.json()["edits"] == []
    assert letter.headers["etag"] == '"0-dead"'
    assert {"value_base64", "original"}.isdisjoint(letter.json())


BYTES = [b"junk", b"\xff\x00", b'{"id": "1"}', b"", encode(an_event(data='"\\ud800"')), encode(an_event(data="1e999"))]


@pytest.mark.parametrize("value", BYTES)
async def test_what_is_no_event_is_shown_as_bytes(door: ManageDoor, value: bytes) -> None:
    (id_,) = await hold(door, a_new_letter(value=value))
    letter = (await send(door, "GET", f"{PATH}/{id_}")).json()
    assert base64.b64decode(letter["value_base64"]) == value
    assert "value" not in letter


async def test_a_tombstone_has_no_value(door: ManageDoor) -> None:
    (id_,) = await hold(door, a_new_letter(value=None, key=None))
    letter = (await send(door, "GET", f"{PATH}/{id_}")).json()
    assert (letter["value_base64"], letter["key_base64"], letter["size"]) == (None, None, 0)


async def test_a_letter_that_is_known_is_not_sent_again(door: ManageDoor) -> None:
    (id_,) = await hold(door, a_new_letter())
    known = await send(door, "GET", f"{PATH}/{id_}", headers={"if-none-match": '"0-dead"'})
    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", '"0-dead"')
    other = await send(door, "GET", f"{PATH}/{id_}", headers={"if-none-match": '"1-dead"'})
    assert other.status_code == 200


@pytest.mark.parametrize("id_", [str(uuid4()), "1", "redrive", "²", "00000000-0000-0000-0000-00000000000g"])
@pytest.mark.parametrize("method", ["GET", "PATCH"])
async def test_an_unknown_letter_is_a_404(door: ManageDoor, method: str, id_: str) -> None:
    body = {"event": {"type": "t", "data": 1}, "why": "w"}
    assert faults(await send(door, method, f"{PATH}/{id_}", json=body), 404) == []


async def test_a_tenant_sees_its_own_letters_only_and_an_operator_those_of_nobody(door: ManageDoor) -> None:
    own, foreign, orphan = await hold(
        door, a_new_letter(0), a_new_letter(1, tenant="other"), a_new_letter(2, tenant=None, value=b"\xff")
    )
    body = {"event": {"type": "t", "data": 1}, "why": "w"}
    assert await listed(door) == [orphan, own]
    viewer = ManageDoor(letters=door.letters, access=Somebody(Principal(name="viewer", tenant="tests")))
    assert await listed(viewer) == [own]
    for each, seeing in ((foreign, door), (foreign, viewer), (orphan, viewer)):
        for method in ("GET", "PATCH"):
            assert faults(await send(seeing, method, f"{PATH}/{each}", json=body), 404) == []
    assert (await send(door, "GET", f"{PATH}/{orphan}")).status_code == 200


async def test_without_a_known_key_nothing_is_told(door: ManageDoor) -> None:
    (id_,) = await hold(door, a_new_letter())
    for method, path in (("GET", PATH), ("GET", f"{PATH}/{id_}"), ("PATCH", f"{PATH}/{id_}")):
        async with client_of(door.app, key="another") as client:
            assert (await client.request(method, path, content=b"{")).status_code == 401


async def test_where_the_store_is_away_it_is_said(door: ManageDoor) -> None:
    (id_,) = await hold(door, a_new_letter())
    door.letters.away = True
    for path in (PATH, f"{PATH}/{id_}"):
        response = await send(door, "GET", path)
        assert (response.status_code, response.json()["retryable"]) == (503, True)


async def test_a_list_is_bounded_however_large_its_letters_are(door: ManageDoor) -> None:
    await hold(door, *[a_new_letter(number, value=bytes(100_000)) for number in range(60)])
    response = await send(door, "GET", f"{PATH}?limit=200")
    assert len(response.json()["letters"]) == 60
    assert len(response.content) < 60_000


def test_a_letter_is_known_by_its_coordinates() -> None:
    letter = a_letter(offset=1)
    assert a_letter(offset=1, dead_at=MOMENT + timedelta(days=1), value=b"x").id == letter.id
    others = [a_letter(offset=2), a_letter(offset=1, partition=4), a_letter(offset=1, topic="t")]
    assert len({each.id for each in (letter, *others)}) == 4
