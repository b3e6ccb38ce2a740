"""What Spool promises, kept by the spool in memory and by S3."""

import time
from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from shared.adapters.aws.spool import S3Spool
from shared.adapters.memory.spool import MemorySpool
from shared.events.objects import UNREADABLE, object_name
from shared.events.spool import Spool
from shared.kit.errors import Malformed, NotFound, Unavailable
from shared.kit.ids import Ascending
from tests.fixtures.events import MOMENT, an_event

_BUCKET = "spool"
_NOWHERE = "http://127.0.0.1:1"  # a port that nothing listens on
_BOUND_SECONDS = 3.0
_SLACK_SECONDS = 5.0  # for a machine that has other things to do: what is told apart is a bound from a hang


@pytest.fixture(autouse=True)
def _account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)


@pytest.fixture(params=["memory", "s3"])
def spool(request: pytest.FixtureRequest) -> Iterator[Spool]:
    """The port over something that answers."""
    if request.param == "memory":
        yield MemorySpool()
        return
    with mock_aws():
        boto3.client("s3").create_bucket(
            Bucket=_BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
        )
        yield S3Spool(_BUCKET)


@pytest.fixture(params=["memory", "s3", "s3 without the bucket"])
def absent(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Spool]:
    """The port over nothing."""
    if request.param == "memory":
        memory = MemorySpool()
        memory.away = True
        yield memory
    elif request.param == "s3":
        monkeypatch.setenv("AWS_ENDPOINT_URL", _NOWHERE)
        yield S3Spool(_BUCKET)
    else:
        with mock_aws():
            yield S3Spool(_BUCKET)


def names(count: int) -> list[str]:
    ids = Ascending()
    return [object_name(str(ids.following(MOMENT))) for _ in range(count)]


def spoil(spool: Spool, name: str) -> None:
    """Make the object `name` one that `put` did not write."""
    if isinstance(spool, MemorySpool):
        spool.objects[name] = []
        spool.unreadable.append(name)
    else:
        boto3.client("s3").put_object(Bucket=_BUCKET, Key=name, Body=b"{}")


def set_aside(spool: Spool) -> list[str]:
    """The names of what lies where people look at it, as far as the spool keeps any."""
    if isinstance(spool, MemorySpool):
        return [name for name in spool.unreadable if name not in spool.objects]
    page = boto3.client("s3").list_objects_v2(Bucket=_BUCKET, Prefix=UNREADABLE)
    return [each["Key"].replace(UNREADABLE, "spool/") for each in page.get("Contents", [])]


async def test_what_is_put_is_got(spool: Spool) -> None:
    (name,) = names(1)
    events = [an_event(spooled_at=MOMENT) for _ in range(100)]
    await spool.put(name, events, within=5)
    assert await spool.get(name) == events


async def test_the_oldest_names_come_first(spool: Spool) -> None:
    given = names(7)
    for name in reversed(given):
        await spool.put(name, [an_event()], within=5)
    assert await spool.names(5) == given[:5]
    assert await spool.names(1000) == given
    assert await spool.names(3, after=given[4]) == given[5:8]
    assert await spool.names(3, after=given[-1]) == []


async def test_an_empty_spool_has_no_names(spool: Spool) -> None:
    assert await spool.names(10) == []


async def test_an_object_put_again_is_one_object(spool: Spool) -> None:
    (name,) = names(1)
    event = an_event()
    for _ in range(2):
        await spool.put(name, [event], within=5)
    assert (await spool.names(10), await spool.get(name)) == ([name], [event])


async def test_removed_objects_are_gone_and_may_be_removed_again(spool: Spool) -> None:
    first, second, third = names(3)
    for name in (first, second, third):
        await spool.put(name, [an_event()], within=5)
    for _ in range(2):
        await spool.remove([first, third])
    assert await spool.names(10) == [second]
    await spool.remove([])


async def test_a_thousand_objects_are_removed_at_once(spool: Spool) -> None:
    given = names(1000)
    await spool.put(given[500], [an_event()], within=5)
    await spool.remove(given)
    assert await spool.names(10) == []


async def test_an_object_that_is_not_there_is_not_found(spool: Spool) -> None:
    with pytest.raises(NotFound):
        await spool.get(names(1)[0])


async def test_an_object_that_was_not_put_is_malformed_and_can_be_set_aside(spool: Spool) -> None:
    broken, sound = names(2)
    spoil(spool, broken)
    await spool.put(sound, [an_event()], within=5)
    with pytest.raises(Malformed):
        await spool.get(broken)
    for _ in range(2):
        await spool.set_aside(broken)
    assert (await spool.names(10), set_aside(spool)) == ([sound], [broken])


async def test_it_can_be_prepared_at_any_time(spool: Spool) -> None:
    spool.prepare()
    (name,) = names(1)
    await spool.put(name, [an_event()], within=5)
    spool.prepare()
    assert await spool.names(1) == [name]


async def test_an_absent_spool_says_so_within_its_bound(absent: Spool) -> None:
    (name,) = names(1)
    absent.prepare()
    for call in (
        lambda: absent.put(name, [an_event()], within=1),
        lambda: absent.names(1),
        lambda: absent.get(name),
        lambda: absent.remove([name]),
        lambda: absent.set_aside(name),
    ):
        began = time.monotonic()
        with pytest.raises(Unavailable):
            await call()
        assert time.monotonic() - began < _BOUND_SECONDS + _SLACK_SECONDS


async def test_an_object_is_exchanged_while_it_is_what_it_was(spool: Spool) -> None:
    first, second, third = (an_event(name) for name in ("first", "second", "third"))
    (name,) = names(1)
    await spool.put(name, [first, second], within=5)
    assert not await spool.exchange(name, [first], [third], within=5)
    assert await spool.exchange(name, [first, second], [second], within=5)
    assert await spool.get(name) == [second]
    assert await spool.exchange(name, [second], [], within=5)
    assert await spool.names(10) == []
    assert not await spool.exchange(name, [second], [third], within=5)
    assert await spool.names(10) == []


async def test_nothing_is_exchanged_where_nobody_answers(absent: Spool) -> None:
    with pytest.raises(Unavailable):
        await absent.exchange(names(1)[0], [an_event()], [], within=3)
