"""`query` as its clients see it."""

from datetime import timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest

from shared.events.model import Event
from tests.fixtures.doors import QueryDoor, client_of
from tests.fixtures.events import MOMENT, a_record, an_event


@pytest.fixture
def door() -> QueryDoor:
    """One with nothing stored."""
    return QueryDoor()


async def hold(door: QueryDoor, *events: Event) -> None:
    await door.store.store([a_record(event, offset=number) for number, event in enumerate(events)])


async def get(door: QueryDoor, path: str, **options: Any) -> httpx.Response:
    async with client_of(door.app) as client:
        return await client.get(path, **options)


def pointers(response: httpx.Response, status: int) -> list[str]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    return [fault["pointer"] for fault in response.json()["errors"]]


@pytest.mark.parametrize("id_", ["order-1", "a/b", "a b", "é", "100%", "a?b#c", "batch", ".."])
async def test_an_event_is_found_under_any_id(door: QueryDoor, id_: str) -> None:
    await hold(door, an_event(id_))
    response = await get(door, f"/v1/events/{quote(id_, safe='')}" if id_ != ".." else "/v1/events/%2E%2E")
    assert response.status_code == 200, response.text
    assert response.json()["id"] == id_


async def test_an_unknown_event_is_a_404(door: QueryDoor) -> None:
    response = await get(door, "/v1/events/nothing")
    assert pointers(response, 404) == []
    assert response.json()["code"] == "not_found"


async def test_an_id_with_a_nul_is_a_404(door: QueryDoor) -> None:
    assert pointers(await get(door, "/v1/events/a%00b"), 404) == []


async def test_an_event_that_did_not_change_is_not_sent_again(door: QueryDoor) -> None:
    await hold(door, an_event("1"))
    first = await get(door, "/v1/events/1")
    second = await get(door, "/v1/events/1", headers={"if-none-match": first.headers["etag"]})
    assert (second.status_code, second.content) == (304, b"")
    assert second.headers["etag"] == first.headers["etag"]
    tag = first.headers["etag"]
    for known in (f"W/{tag}", f'"other", {tag}', f'W/"other",{tag} , "third"', "*"):
        assert (await get(door, "/v1/events/1", headers={"if-none-match": known})).status_code == 304
    for other in ('"other"', tag.strip('"'), f"w/{tag}", f"{tag} x"):
        assert (await get(door, "/v1/events/1", headers={"if-none-match": other})).status_code == 200


async def test_several_sources_are_named_and_one_can_be_chosen(door: QueryDoor) -> None:
    await hold(door, an_event("1", source="/a"), an_event("1", source="/b"))
    response = await get(door, "/v1/events/1")
    assert pointers(response, 409) == ["/source", "/source"]
    chosen = await get(door, "/v1/events/1", params={"source": "/b"})
    assert chosen.json()["source"] == "/b"


async def test_without_a_known_key_nothing_is_told(door: QueryDoor) -> None:
    await hold(door, an_event("1"))
    async with client_of(door.app, key="another") as client:
        assert (await client.get("/v1/events/1")).status_code == 401
        assert (await client.get("/v1/events")).status_code == 401


async def test_links_lead_through_all_pages(door: QueryDoor) -> None:
    await hold(
        door,
        *(an_event(str(number), type="a&b", received_at=MOMENT + timedelta(seconds=number)) for number in range(5)),
    )
    seen: list[str] = []
    address: str | None = "/v1/events?limit=2&type=a%26b&order=asc"
    while address:
        response = await get(door, address)
        assert response.status_code == 200, response.text
        seen += [event["id"] for event in response.json()["events"]]
        following = response.links.get("next", {}).get("url")
        address = str(response.url.join(following)) if following else None
        assert (address is None) == (response.json()["next"] is None)
    assert seen == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("parameters", "ids"),
    [
        ({}, ["c", "b", "a"]),
        ({"order": "asc"}, ["a", "b", "c"]),
        ({"limit": "1"}, ["c"]),
        ({"type": "t1"}, ["b", "a"]),
        ({"source": "/s2"}, ["c", "b"]),
        ({"subject": "x"}, ["a"]),
        ({"since": (MOMENT + timedelta(seconds=1)).isoformat()}, ["c", "b"]),
        ({"until": (MOMENT + timedelta(seconds=1)).isoformat()}, ["a"]),
        ({"type": "t1", "source": "/s2"}, ["b"]),
        ({"type": ""}, []),
    ],
)
async def test_parameters_choose_events(door: QueryDoor, parameters: dict[str, str], ids: list[str]) -> None:
    await hold(
        door,
        an_event("a", type="t1", source="/s1", subject="x"),
        an_event("b", type="t1", source="/s2", received_at=MOMENT + timedelta(seconds=1)),
        an_event("c", type="t2", source="/s2", received_at=MOMENT + timedelta(seconds=2)),
    )
    response = await get(door, "/v1/events", params=parameters)
    assert [event["id"] for event in response.json()["events"]] == ids


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("limit=0", ["/limit"]),
        ("limit=201", ["/limit"]),
        ("limit=many", ["/limit"]),
        ("limit=1e1", ["/limit"]),
        ("limit=5.0", ["/limit"]),
        ("limit=" + "9" * 5000, ["/limit"]),
        ("limit=", ["/limit"]),
        ("since=null", ["/since"]),
        ("since=1772600767", ["/since"]),
        ("order=up", ["/order"]),
        ("since=yesterday", ["/since"]),
        ("until=2026-01-01T00:00:00", ["/until"]),
        ("since=0001-01-01T00:00:00%2B05:00", ["/since"]),
        ("until=9999-12-31T23:59:59-10:00", ["/until"]),
        ("tpye=a", ["/tpye"]),
        ("type=a&type=b", ["/type"]),
        ("type=a%00b", ["/type"]),
        ("a~b/c=1", ["/a~0b~1c"]),
        ("limit=0&order=up", ["/limit", "/order"]),
    ],
)
async def test_a_parameter_that_is_wrong_is_named(door: QueryDoor, query: str, wrong: list[str]) -> None:
    response = await get(door, f"/v1/events?{query}")
    assert pointers(response, 422) == wrong


async def test_a_parameter_of_one_event_that_is_unknown_is_named(door: QueryDoor) -> None:
    assert pointers(await get(door, "/v1/events/1?colour=red"), 422) == ["/colour"]


async def test_a_made_up_cursor_is_refused_without_an_echo(door: QueryDoor) -> None:
    response = await get(door, "/v1/events?cursor=m4rk3r")
    assert pointers(response, 400) == ["/cursor"]
    assert "m4rk3r" not in response.text


async def test_an_absent_replica_says_when_to_come_again(door: QueryDoor) -> None:
    door.store.away = True
    for path in ("/v1/events", "/v1/events/1"):
        response = await get(door, path)
        assert pointers(response, 503) == []
        assert response.headers["retry-after"] == "2"


async def test_an_event_that_could_not_be_stored_leads_to_its_dead_letters(door: QueryDoor) -> None:
    letters = [uuid4(), uuid4()]
    door.store.letters["tests", "/shop", "order-1"] = letters
    response = await get(door, "/v1/events/order-1")
    assert (response.status_code, response.json()["code"]) == (404, "dead_lettered")
    assert response.json()["dead_letters"] == [str(letter) for letter in letters]
    assert (await get(door, "/v1/events/order-1?source=/other")).json()["code"] == "not_found"
    # Redriven meanwhile, or sent again by its producer: what is stored is what counts.
    await hold(door, an_event("order-1", source="/shop"))
    assert (await get(door, "/v1/events/order-1")).status_code == 200
