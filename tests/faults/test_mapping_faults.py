"""The mapping itself is what fails, or changes hands, while a call is under way."""

from contextlib import ExitStack

import pytest
from confluent_kafka import ConsumerGroupState
from confluent_kafka.admin import AdminClient

from tests.fixtures.mapping_process import MappingProcess
from tests.fixtures.persisting import eventually, processes
from tests.fixtures.rig import Way, stored_by

pytestmark = pytest.mark.timeout(180)

_EVENTS = 40
_SECONDS = 10.0


def test_the_mappings_host_killed_in_mid_batch_loses_nothing(way: Way) -> None:
    """With it goes the process that runs the function, and nothing has committed: another host begins there."""
    with MappingProcess(way) as process:
        with way.rig.locked("events"):
            way.send_all(_EVENTS)
            eventually(way.rig.waits_for_lock, "a batch is about to be stored")
            process.kill()
            assert way.stored() == 0
        with stored_by(way):
            way.assert_balanced()


def test_a_rebalance_in_mid_batch_loses_nothing_and_doubles_nothing(way: Way) -> None:
    with (
        processes(way.rig.settings(), way.rig.folder / "second") as host,
        stored_by(way) as first,
        ExitStack() as later,
    ):
        with way.rig.locked("events"):
            way.send_all(_EVENTS)
            eventually(way.rig.waits_for_lock, "a batch is about to be stored")
            second = later.enter_context(stored_by(way, host))
            eventually(lambda: is_joined(way), "the group has heard of a second member")
            assert first.under_way == 1
            assert way.stored() == 0
        eventually(lambda: is_shared(way), "both members have partitions")
        way.send_all(_EVENTS)
        way.assert_balanced()
    assert second.answers


def group(way: Way) -> tuple[ConsumerGroupState, list[int]]:
    """The state of the mapping's consumer group, and how many partitions each member has."""
    admin = AdminClient({"bootstrap.servers": way.bootstrap})
    (described,) = admin.describe_consumer_groups([way.group]).values()
    found = described.result(_SECONDS)
    return found.state, [len(member.assignment.topic_partitions) for member in found.members]


def is_joined(way: Way) -> bool:
    """Whether somebody joins, or has joined, the one member that there was."""
    state, shares = group(way)
    return state == ConsumerGroupState.PREPARING_REBALANCING or len(shares) > 1


def is_shared(way: Way) -> bool:
    """Whether each of several members has partitions."""
    state, shares = group(way)
    return state == ConsumerGroupState.STABLE and len(shares) > 1 and all(shares)
