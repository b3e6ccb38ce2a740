"""Parts end without a word under load and come back: what was acknowledged is stored once."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from millrace_harness.parts.part import Part
from millrace_harness.parts.supervisor import Stack
from tests.fixtures.deployment import Ledger, away, read_back
from tests.fixtures.load import load
from tests.fixtures.persisting import eventually
from tests.fixtures.way import Way, stored_by

pytestmark = pytest.mark.timeout(300)

_A_FEW = 20


@contextmanager
def killed(part: Part) -> Iterator[None]:
    """It is killed and seen to be gone inside the block, and answers again after it."""
    part.discard()
    assert not part.running
    try:
        yield
    finally:
        part.start()
        part.wait()


def test_postgresql_killed_and_restarted_under_load_loses_nothing(way: Way) -> None:
    primary = way.rig.parts.part("primary")
    with stored_by(way) as calls:
        with load(way):
            eventually(lambda: way.stored() > _A_FEW, "events are stored")
            with killed(primary):
                eventually(lambda: calls.failed > 0, "persist has met a database that is away")
                before = len(way.acknowledged)
                eventually(lambda: len(way.acknowledged) > before + _A_FEW, "events are acknowledged meanwhile")
            done = way.stored()
            eventually(lambda: way.stored() > done, "events are stored again")
        way.assert_balanced()


def test_the_pooler_killed_and_restarted_under_load_loses_nothing(way: Way) -> None:
    pooler = way.rig.parts.part("writer")
    with stored_by(way) as calls:
        with load(way):
            eventually(lambda: way.stored() > _A_FEW, "events are stored")
            with killed(pooler):
                eventually(lambda: calls.failed > 0, "persist has met a pooler that is away")
            done = way.stored()
            eventually(lambda: way.stored() > done, "events are stored again")
        way.assert_balanced()


def test_the_replica_gone_is_said_to_readers_and_not_felt_by_writers(
    api: httpx.Client, parts: Stack, ledger: Ledger
) -> None:
    assert ledger.post(api).status_code == 202
    (cached,) = ledger.acknowledged
    read_back(api, cached)
    with away(parts, "replica"):
        page = api.get("/v1/events")
        assert page.status_code == 503
        assert page.json()["retryable"] is True
        assert int(page.headers["retry-after"]) >= 1
        assert api.get(f"/v1/events/{cached}").json()["id"] == cached
        for _ in range(_A_FEW):
            assert ledger.post(api).status_code == 202
        ledger.assert_stored_once()
    for id_ in ledger.acknowledged:
        assert read_back(api, id_)["id"] == id_


def test_a_broker_killed_and_restarted_under_load_loses_nothing_that_it_acknowledged(way: Way) -> None:
    kafka = way.rig.parts.part("kafka")
    with stored_by(way):
        with load(way):
            eventually(lambda: way.stored() > _A_FEW, "events are stored")
            with killed(kafka):
                before = len(way.acknowledged)
            eventually(lambda: len(way.acknowledged) > before + _A_FEW, "the broker acknowledges again")
        way.assert_balanced(in_order=False)


def test_redis_gone_keeps_nothing_from_being_stored(way: Way) -> None:
    valkey = way.rig.parts.part("valkey")
    with stored_by(way) as calls:
        way.send_all(_A_FEW, waiter="somebody")
        eventually(lambda: way.stored() == _A_FEW, "events are stored")
        with away(way.rig.parts, "valkey"):
            way.send_all(_A_FEW, waiter="somebody")
            way.assert_balanced()
            assert not valkey.running
        way.send_all(_A_FEW, waiter="somebody")
        way.assert_balanced()
    assert calls.failed == 0
