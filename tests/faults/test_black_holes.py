"""Packets that are dropped without a word, which no relay can bring about: not even a connection is refused."""

from collections.abc import Iterator

import pytest

from tests.fixtures.blackhole import Namespace, NotHere, namespace
from tests.fixtures.persisting import Calls, eventually, mapping_of, processes, running
from tests.fixtures.rig import Rig
from tests.fixtures.way import Way

pytestmark = pytest.mark.timeout(180)

_EVENTS = 40


@pytest.fixture
def inside(rig: Rig) -> Iterator[Namespace]:
    """A namespace in which the rig's parts are where they are outside."""
    try:
        with namespace(rig.background) as made:
            for address in (rig.postgres.address, rig.redis.address, rig.endpoints.kafka_bootstrap):
                made.bring_in(address)
            yield made
    except NotHere as reason:
        pytest.skip(str(reason))


@pytest.fixture
def calls(way: Way, inside: Namespace) -> Iterator[Calls]:
    """`persist` and its mapping, which live in the namespace."""
    with processes(way.rig.settings(), way.rig.folder / "inside") as host:
        made = Calls(host)
        mapping = mapping_of(made, way.topic, bootstrap=way.bootstrap, group=way.group)
        inside.run(mapping.start)
        with running(mapping):
            yield made


def test_a_black_hole_before_postgresql_buries_nothing_and_all_is_stored_when_it_is_gone(
    way: Way, inside: Namespace, calls: Calls
) -> None:
    way.send_all(_EVENTS)
    way.assert_balanced()
    with inside.dropping(way.rig.postgres.address) as dropped:
        way.send_all(_EVENTS)
        eventually(lambda: calls.failed > 0, "persist has met a database that is not there")
        assert dropped() > 0
        assert way.stored() == _EVENTS
        assert way.dead() == 0
    way.assert_balanced()


def test_a_black_hole_before_kafka_loses_nothing(way: Way, inside: Namespace, calls: Calls) -> None:
    way.send_all(_EVENTS)
    way.assert_balanced()
    done = len(calls.answers)
    with inside.dropping(way.bootstrap) as dropped:
        way.send_all(_EVENTS)
        eventually(lambda: dropped() > 0, "the mapping asks a broker that is not there")
    way.assert_balanced()
    assert len(calls.answers) > done
