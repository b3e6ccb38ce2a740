"""What TypeStore promises, kept by the store in memory and by PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from shared.adapters.memory.eventtypes import MemoryTypeStore
from shared.adapters.postgres.engine import Writer
from shared.adapters.postgres.eventtypes import PostgresTypeStore
from shared.eventtypes.ports import PAGE, TypeStore
from shared.kit.errors import Unavailable
from tests.fixtures.types import a_version

_NOBODY = "postgresql://millrace:nothing@127.0.0.1:1/millrace"  # a port that nothing listens on


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.parts)])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[TypeStore]:
    """The port over something that answers."""
    if request.param == "memory":
        yield MemoryTypeStore()
        return
    writer = Writer(request.getfixturevalue("database").writer, application_name="contract")
    yield PostgresTypeStore(writer)
    await writer.close()


@pytest.fixture(params=["memory", "postgres"])
async def absent(request: pytest.FixtureRequest) -> AsyncIterator[TypeStore]:
    """The port over nothing."""
    if request.param == "memory":
        memory = MemoryTypeStore()
        memory.away = True
        yield memory
        return
    writer = Writer(_NOBODY, application_name="contract")
    yield PostgresTypeStore(writer)
    await writer.close()


@pytest.fixture
def tenant() -> str:
    """One of whom nothing is stored."""
    return f"contract-{uuid4().hex[:12]}"


async def test_a_version_is_given_back_as_it_was_added(store: TypeStore, tenant: str) -> None:
    schema = {"type": "object", "properties": {"é": {"const": 1.0}, "z": {}, "a": {"pattern": "^\\w$"}}}
    version = a_version(
        schema=schema, mode="warn", compatibility="full", key_path="/é", retention_days=7, dedup_window=60
    )
    assert await store.add(tenant, version)
    found = await store.version(tenant, version.type)
    assert found is not None
    assert bytes(found.definition.schema) == bytes(version.definition.schema)
    assert found == version


async def test_a_number_is_given_once(store: TypeStore, tenant: str) -> None:
    first = a_version()
    assert await store.add(tenant, first)
    assert not await store.add(tenant, a_version(mode="off"))
    assert await store.versions(tenant, first.type) == [first]


async def test_of_those_who_add_one_number_at_once_one_wins(store: TypeStore, tenant: str) -> None:
    added = await asyncio.gather(*(store.add(tenant, a_version(retention_days=days)) for days in range(1, 9)))
    assert added.count(True) == 1
    (kept,) = await store.versions(tenant, "order.placed")
    assert kept.definition.retention_days == added.index(True) + 1


async def test_a_version_is_found_by_its_number(store: TypeStore, tenant: str) -> None:
    versions = [a_version(version=number) for number in (1, 2, 3)]
    for version in versions:
        await store.add(tenant, version)
    assert await store.version(tenant, "order.placed", 2) == versions[1]
    assert await store.version(tenant, "order.placed") == versions[2]
    assert await store.version(tenant, "order.placed", 4) is None
    assert await store.version(tenant, "order.placed", 0) is None
    assert await store.version(tenant, "order.sent") is None


async def test_versions_are_read_in_pages_the_newest_first(store: TypeStore, tenant: str) -> None:
    for number in range(1, PAGE + 3):
        await store.add(tenant, a_version(version=number))
    page = await store.versions(tenant, "order.placed")
    assert [version.version for version in page] == list(range(PAGE + 2, 2, -1))
    rest = await store.versions(tenant, "order.placed", before=page[-1].version)
    assert [version.version for version in rest] == [2, 1]
    assert await store.versions(tenant, "order.placed", before=1) == []


async def test_what_is_current_is_the_last_version_of_each_type(store: TypeStore, tenant: str) -> None:
    first, second, other = a_version(), a_version(version=2), a_version("order.sent")
    for version in (other, first, second):
        await store.add(tenant, version)
    assert await store.current(tenant) == {"order.placed": second, "order.sent": other}


async def test_tenants_do_not_see_each_other(store: TypeStore, tenant: str) -> None:
    other = f"{tenant}-other"
    await store.add(tenant, a_version())
    assert await store.current(other) == {}
    assert await store.version(other, "order.placed") is None
    assert await store.versions(other, "order.placed") == []
    assert await store.add(other, a_version())


@pytest.mark.parametrize("name", ["a b", "é", "%", "'; --", "a" * 255])
async def test_a_type_may_have_any_name(store: TypeStore, tenant: str, name: str) -> None:
    assert await store.add(tenant, a_version(name))
    assert set(await store.current(tenant)) == {name}


async def test_a_name_that_no_type_can_have_is_not_found(store: TypeStore, tenant: str) -> None:
    assert await store.version(tenant, "a\0b") is None
    assert await store.versions(tenant, "a\0b") == []


async def test_where_the_store_is_away_everything_says_so(absent: TypeStore, tenant: str) -> None:
    with pytest.raises(Unavailable):
        await absent.add(tenant, a_version())
    with pytest.raises(Unavailable):
        await absent.version(tenant, "order.placed")
    with pytest.raises(Unavailable):
        await absent.versions(tenant, "order.placed")
    with pytest.raises(Unavailable):
        await absent.current(tenant)
