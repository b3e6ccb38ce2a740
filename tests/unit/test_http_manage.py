"""`manage` as its clients see it."""

import json
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from shared.eventtypes import registry
from shared.eventtypes.model import EventType
from shared.eventtypes.ports import PAGE
from tests.fixtures.doors import ManageDoor, client_of
from tests.fixtures.events import MOMENT
from tests.fixtures.types import a_version

PATH = "/v1/event-types/order.placed"
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"number": {"type": "integer"}}}
SECRET = "s3cret-value"


@pytest.fixture
def door() -> ManageDoor:
    """One without any types."""
    return ManageDoor()


async def send(door: ManageDoor, method: str, path: str = PATH, **options: Any) -> httpx.Response:
    async with client_of(door.app) as client:
        return await client.request(method, path, **options)


async def put(door: ManageDoor, schema: Any = SCHEMA, path: str = PATH, **fields: Any) -> httpx.Response:
    headers = fields.pop("headers", {})
    return await send(door, "PUT", path, json={"schema": schema} | fields, headers=headers)


def faults(response: httpx.Response, status: int) -> list[tuple[str, str]]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    return [(fault["pointer"], fault["code"]) for fault in response.json()["errors"]]


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


BODIES: dict[str, tuple[bytes, int, list[tuple[str, str]]]] = {
    "nothing": (b"", 400, [("", "json")]),
    "no JSON": (b"{", 400, [("", "json")]),
    "something behind": (b'{"schema":{}} x', 400, [("", "json")]),
    "no UTF-8": (b'{"schema":{"title":"\xff"}}', 400, [("", "utf8")]),
    "another type": (b"[]", 422, [("", "type")]),
    "no schema": (b"{}", 422, [("/schema", "required")]),
    "an unknown member": (b'{"schema":{},"shema":1}', 422, [("/shema", "unknown_field")]),
    "a schema of another type": (b'{"schema":"s3cret-value"}', 422, [("/schema", "type")]),
    "a wrong mode": (b'{"schema":{},"mode":"s3cret-value"}', 422, [("/mode", "value")]),
    "a wrong compatibility": (b'{"schema":{},"compatibility":null}', 422, [("/compatibility", "type")]),
    "no pointer": (b'{"schema":{},"key_path":"s3cret-value"}', 422, [("/key_path", "pointer")]),
    "the whole of it": (b'{"schema":{},"key_path":""}', 422, [("/key_path", "pointer")]),
    "a pointer with a wrong escape": (b'{"schema":{},"key_path":"/a~2"}', 422, [("/key_path", "pointer")]),
    "a pointer with a line": (b'{"schema":{},"key_path":"/a\\n"}', 422, [("/key_path", "pointer")]),
    "a long pointer": (b'{"schema":{},"key_path":"/' + b"a" * 255 + b'"}', 422, [("/key_path", "pointer")]),
    "days of nothing": (b'{"schema":{},"retention_days":0}', 422, [("/retention_days", "value")]),
    "half a day": (b'{"schema":{},"retention_days":1.5}', 422, [("/retention_days", "value")]),
    "more than ten years": (b'{"schema":{},"retention_days":3651}', 422, [("/retention_days", "value")]),
    "a window of a text": (b'{"schema":{},"dedup_window":"60"}', 422, [("/dedup_window", "type")]),
    "a window of eight days": (b'{"schema":{},"dedup_window":691200}', 422, [("/dedup_window", "value")]),
    "a window without an end": (b'{"schema":{},"dedup_window":1e300}', 422, [("/dedup_window", "value")]),
    "a window out of range": (b'{"schema":{},"dedup_window":1e999}', 422, [("/dedup_window", "value")]),
    "a schema that is none": (b'{"schema":{"minimum":"s3cret-value"}}', 422, [("/schema/minimum", "type")]),
    "two faults": (
        b'{"schema":{"type":"s3cret-value"},"dedup_window":0}',
        422,
        [("/dedup_window", "value"), ("/schema/type", "anyOf")],
    ),
    "a nest": (b'{"schema":' + b"[" * 20_000 + b"]" * 20_000 + b"}", 422, [("", "nesting")]),
}


@pytest.mark.parametrize(("body", "status", "expected"), BODIES.values(), ids=BODIES)
async def test_a_body_that_is_no_definition_is_refused_where_it_is_wrong(
    door: ManageDoor, body: bytes, status: int, expected: list[tuple[str, str]]
) -> None:
    response = await send(door, "PUT", content=body)
    assert faults(response, status) == expected
    assert SECRET not in response.text
    assert door.store.asked == 0


async def test_a_whole_number_may_be_written_with_a_point(door: ManageDoor) -> None:
    assert (await put(door, retention_days=7.0)).json()["retention_days"] == 7


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"if-match": '"1"'}, 201),
        ({"if-match": '"3", "1"'}, 201),
        ({"if-match": "*"}, 201),
        ({"if-match": '"2"'}, 412),
        ({"if-match": 'W/"1"'}, 412),
        ({"if-match": "nonsense"}, 412),
        ({"if-none-match": "*"}, 412),
    ],
)
async def test_a_change_is_made_only_of_the_version_that_was_expected(
    door: ManageDoor, headers: dict[str, str], status: int
) -> None:
    await put(door)
    response = await put(door, mode="off", headers=headers)
    assert response.status_code == status, response.text
    assert (await send(door, "GET")).json()["version"] == (2 if status == 201 else 1)


async def test_a_first_version_is_expected_to_be_the_first(door: ManageDoor) -> None:
    refused = await put(door, headers={"if-match": "*"})
    assert (refused.status_code, refused.json()["code"]) == (412, "changed")
    assert (await put(door, headers={"if-none-match": "*"})).status_code == 201


async def test_a_repeated_request_is_answered_as_before_though_the_version_has_moved(door: ManageDoor) -> None:
    await put(door)
    for status in (201, 200):
        assert (await put(door, mode="off", headers={"if-match": '"1"'})).status_code == status


async def test_a_type_that_did_not_change_is_not_sent_again(door: ManageDoor) -> None:
    await put(door)
    response = await send(door, "GET", headers={"if-none-match": '"1"'})
    assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", '"1"')


async def test_types_are_bounded_in_number(door: ManageDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "MAX_TYPES", 2)  # 500 would only take longer
    for name in ("a", "b"):
        assert (await put(door, path=f"/v1/event-types/{name}")).status_code == 201
    response = await put(door, path="/v1/event-types/c")
    assert (response.status_code, response.json()["code"]) == (409, "limit_reached")
    assert (await put(door, path="/v1/event-types/b", mode="off")).status_code == 201


async def test_types_are_bounded_in_size(door: ManageDoor) -> None:
    large = {"description": "x" * 65_000}
    answers = [(await put(door, large, path=f"/v1/event-types/t{number}")).status_code for number in range(17)]
    assert answers == [201] * 16 + [409]


async def test_a_change_is_in_the_snapshot_at_once(door: ManageDoor) -> None:
    await put(door)
    await put(door, mode="off")
    snapshot = await door.snapshots.read("tests")
    assert snapshot is not None
    assert (snapshot["order.placed"].version, snapshot["order.placed"].definition.mode) == (2, "off")


async def test_a_snapshot_that_could_not_be_written_is_written_by_the_repeated_request(door: ManageDoor) -> None:
    door.snapshots.away = True
    assert (await put(door)).status_code == 201
    door.snapshots.away = False
    assert (await put(door)).status_code == 200
    assert await door.snapshots.read("tests") is not None


async def test_where_the_store_is_away_the_answer_is_to_come_again(door: ManageDoor) -> None:
    door.store.away = True
    for response in (await put(door), await send(door, "GET"), await send(door, "GET", "/v1/event-types")):
        assert faults(response, 503) == []
        assert response.headers["retry-after"]
        assert response.json()["retryable"] is True


class _Raced(ManageDoor):
    """Somebody else makes a version between our look and ours."""

    def beat(self, other: EventType) -> None:
        add = self.store.add

        async def late(tenant: str, version: EventType) -> bool:
            await add(tenant, other)
            return await add(tenant, version)

        self.store.add = late  # type: ignore[method-assign]


async def test_of_two_that_differ_at_once_one_is_told_so() -> None:
    door = _Raced()
    door.beat(a_version(mode="off"))
    response = await put(door)
    assert (response.status_code, response.json()["code"]) == (409, "raced")
    assert [version.definition.mode for version in await door.store.versions("tests", "order.placed")] == ["off"]


async def test_of_two_that_say_the_same_at_once_both_are_content() -> None:
    door = _Raced()
    door.beat(a_version(schema=SCHEMA))
    response = await put(door)
    assert (response.status_code, response.json()["version"]) == (200, 1)


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
