"""`manage` as its clients see it."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from shared.eventtypes.ports import PAGE
from tests.fixtures.doors import ManageDoor, client_of
from tests.fixtures.events import MOMENT
from tests.fixtures.manage import PATH, SCHEMA, faults, put, send
from tests.fixtures.types import a_version


@pytest.fixture
def door() -> ManageDoor:
    """One without any types."""
    return ManageDoor()


async def test_a_type_is_defined_and_read_back(door: ManageDoor) -> None:
    made = await put(door, mode="warn", key_path="/number", dedup_window=60, retention_days=7)
    assert (made.status_code, made.headers["etag"]) == (201, '"1"')
    assert made.json() == {
        "type": "order.placed",
        "version": 1,
        "schema": SCHEMA,
        "mode": "warn",
        "compatibility": "backward",
        "key_path": "/number",
        "retention_days": 7,
        "dedup_window": 60,
        "created_at": MOMENT.isoformat().replace("+00:00", "Z"),
        "created_by": "development-key",
    }
    read = await send(door, "GET")
    assert (read.status_code, read.json(), read.headers["etag"]) == (200, made.json(), '"1"')


async def test_what_is_current_is_not_made_again(door: ManageDoor) -> None:
    await put(door)
    again = await send(door, "PUT", content=b' {"mode": "enforce",\n "schema": ' + json.dumps(SCHEMA).encode() + b"}")
    assert (again.status_code, again.json()["version"]) == (200, 1)


async def test_true_and_1_are_two_schemas(door: ManageDoor) -> None:
    await put(door, {"const": True}, compatibility="none")
    assert (await put(door, {"const": 1}, compatibility="none")).status_code == 201


async def test_a_change_is_a_new_version_and_leaves_the_old_as_it_was(door: ManageDoor) -> None:
    first = (await put(door)).json()
    second = await put(door, SCHEMA | {"title": "An order"})
    assert (second.status_code, second.json()["version"], second.headers["etag"]) == (201, 2, '"2"')
    assert (await send(door, "GET", f"{PATH}/versions/1")).json() == first
    assert (await send(door, "GET", f"{PATH}/versions/2")).json() == second.json()
    assert (await send(door, "GET")).json() == second.json()


async def test_a_setting_alone_makes_a_version(door: ManageDoor) -> None:
    await put(door)
    changed = await put(door, mode="off")
    assert (changed.status_code, changed.json()["version"], changed.json()["mode"]) == (201, 2, "off")


async def test_a_change_that_breaks_is_refused_with_what_breaks(door: ManageDoor) -> None:
    await put(door, {"properties": {"a": {"type": ["string", "null"]}}})
    broken = await put(door, {"properties": {"a": {"type": "string"}}, "required": ["a"]})
    assert faults(broken, 409) == [("/schema/required", "required"), ("/schema/properties/a/type", "type")]
    assert (broken.json()["code"], broken.json()["retryable"]) == ("incompatible", False)
    assert (await send(door, "GET")).json()["version"] == 1


COMPATIBILITIES = [
    ("none", {"type": "string"}, {"type": "integer"}, []),
    ("backward", {"type": "string"}, {"type": ["string", "null"]}, []),
    ("backward", {"type": ["string", "null"]}, {"type": "string"}, [("/schema/type", "type")]),
    ("forward", {"type": ["string", "null"]}, {"type": "string"}, []),
    ("forward", {"type": "string"}, {"type": ["string", "null"]}, [("/schema/type", "type")]),
    ("full", {"type": "string"}, {"type": "string", "title": "t"}, []),
    ("full", {"type": "string"}, {"type": "integer"}, [("/schema/type", "type"), ("/schema/type", "type")]),
]


@pytest.mark.parametrize(("mode", "old", "new", "expected"), COMPATIBILITIES)
async def test_the_type_s_own_compatibility_decides(
    door: ManageDoor, mode: str, old: Any, new: Any, expected: list[tuple[str, str]]
) -> None:
    await put(door, old, compatibility=mode)
    # What the new version says of compatibility is about the version after it.
    response = await put(door, new, compatibility="none")
    assert faults(response, 409) == expected if expected else response.status_code == 201


async def test_what_only_the_old_version_says_is_pointed_to_as_near_as_it_goes(door: ManageDoor) -> None:
    await put(door, {"properties": {"a": {"maxLength": 5}}}, compatibility="forward")
    response = await put(door, {"properties": {"a": {}}})
    assert faults(response, 409) == [("/schema/properties/a", "maxLength")]


async def test_a_check_says_what_would_break_and_writes_nothing(door: ManageDoor) -> None:
    await put(door, {"type": ["string", "null"]}, compatibility="full")
    response = await send(door, "POST", f"{PATH}/check", json={"schema": {"type": ["string", "integer"]}})
    assert response.status_code == 200
    assert {name: response.json()[name] for name in ("compatible", "compatibility", "against")} == {
        "compatible": False,
        "compatibility": "full",
        "against": 1,
    }
    breaks = [(each["promise"], each["pointer"], each["code"]) for each in response.json()["breaks"]]
    assert breaks == [("backward", "/type", "type"), ("forward", "/type", "type")]
    fine = await send(door, "POST", f"{PATH}/check", json={"schema": {"type": ["string", "null"], "title": "t"}})
    assert (fine.json()["compatible"], fine.json()["breaks"]) == (True, [])
    assert (await send(door, "GET")).json()["version"] == 1


async def test_a_type_that_is_not_there_yet_breaks_nothing(door: ManageDoor) -> None:
    response = await send(door, "POST", f"{PATH}/check", json={"schema": SCHEMA})
    assert response.json() == {"compatible": True, "compatibility": "backward", "against": None, "breaks": []}
    assert (await send(door, "GET")).status_code == 404


async def test_a_check_refuses_what_a_put_refuses(door: ManageDoor) -> None:
    response = await send(door, "POST", f"{PATH}/check", json={"schema": {"type": "strin"}})
    assert faults(response, 422) == [("/schema/type", "anyOf")]


async def test_all_types_are_listed_by_name_in_their_last_version(door: ManageDoor) -> None:
    for name in ("b", "a"):
        await put(door, path=f"/v1/event-types/{name}")
    await put(door, path="/v1/event-types/a", mode="off")
    listed = (await send(door, "GET", "/v1/event-types")).json()["event_types"]
    assert [(each["type"], each["version"], each["mode"]) for each in listed] == [("a", 2, "off"), ("b", 1, "enforce")]


async def test_versions_are_listed_in_pages(door: ManageDoor) -> None:
    for number in range(1, PAGE + 2):
        await door.store.add("tests", a_version(version=number))
    page = (await send(door, "GET", f"{PATH}/versions")).json()
    assert ([each["version"] for each in page["versions"]], page["next"]) == (list(range(PAGE + 1, 1, -1)), 2)
    rest = (await send(door, "GET", f"{PATH}/versions", params={"before": page["next"]})).json()
    assert ([each["version"] for each in rest["versions"]], rest["next"]) == ([1], None)
    nothing = (await send(door, "GET", f"{PATH}/versions", params={"before": 1})).json()
    assert nothing == {"versions": [], "next": None}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("before=x", ("/before", "parameter")),
        ("before=-1", ("/before", "parameter")),
        ("before=1234567890", ("/before", "parameter")),
        ("before=1&before=2", ("/before", "parameter")),
        ("after=1", ("/after", "unknown_parameter")),
    ],
)
async def test_a_parameter_that_is_not_understood_is_refused(
    door: ManageDoor, query: str, expected: tuple[str, str]
) -> None:
    await put(door)
    assert faults(await send(door, "GET", f"{PATH}/versions?{query}"), 422) == [expected]


@pytest.mark.parametrize("path", ["", "/versions", "/versions/1"])
async def test_an_unknown_type_is_a_404(door: ManageDoor, path: str) -> None:
    assert faults(await send(door, "GET", PATH + path), 404) == []


@pytest.mark.parametrize("number", ["0", "2", "-1", "x", "²", "1" * 30])
async def test_an_unknown_version_is_a_404(door: ManageDoor, number: str) -> None:
    await put(door)
    assert faults(await send(door, "GET", f"{PATH}/versions/{number}"), 404) == []


@pytest.mark.parametrize("name", ["a b", "é", "100%", "a?b#c", "versions", "check", "x" * 255, "com.example.order"])
async def test_a_type_may_have_any_name_that_a_path_leads_to(door: ManageDoor, name: str) -> None:
    path = f"/v1/event-types/{quote(name, safe='')}"
    assert (await put(door, path=path)).status_code == 201
    assert (await send(door, "GET", path)).json()["type"] == name
    assert (await send(door, "GET", f"{path}/versions")).json()["versions"][0]["type"] == name


@pytest.mark.parametrize("name", ["x" * 256, "a%00b", "a%0Ab", "%2E%2E", "%2E"])
async def test_a_name_that_no_event_could_have_is_refused(door: ManageDoor, name: str) -> None:
    path = f"/v1/event-types/{name}"
    assert faults(await put(door, path=path), 422) == [("/type", "type")]
    assert faults(await send(door, "POST", f"{path}/check", json={"schema": True}), 422) == [("/type", "type")]
    assert (await send(door, "GET", path)).status_code == 404


async def test_no_path_leads_to_a_name_with_a_slash(door: ManageDoor) -> None:
    # A path is decoded before its route is looked for: what follows the slash would be another place.
    assert (await put(door, path="/v1/event-types/com.example%2Forder")).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", PATH),
        ("GET", PATH),
        ("GET", "/v1/event-types"),
        ("GET", f"{PATH}/versions"),
        ("GET", f"{PATH}/versions/1"),
        ("POST", f"{PATH}/check"),
    ],
)
async def test_without_a_known_key_nothing_is_told(door: ManageDoor, method: str, path: str) -> None:
    async with client_of(door.app, key="another") as client:
        response = await client.request(method, path, content=b"{")
    assert response.status_code == 401
    assert door.store.asked == 0


async def test_a_tenant_sees_its_own_types_only(door: ManageDoor) -> None:
    await door.store.add("other", a_version())
    assert (await send(door, "GET")).status_code == 404
    assert (await send(door, "GET", "/v1/event-types")).json() == {"event_types": []}
    assert (await put(door)).json()["version"] == 1
