"""What `manage` takes as a definition, and what it makes of changes that meet."""

import pytest

from shared.eventtypes import registry
from shared.eventtypes.model import EventType
from tests.fixtures.doors import ManageDoor
from tests.fixtures.manage import SCHEMA, faults, put, send
from tests.fixtures.types import a_version

SECRET = "s3cret-value"


@pytest.fixture
def door() -> ManageDoor:
    """One without any types."""
    return ManageDoor()


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
