"""The mapping itself is what fails, or changes hands, while a call is under way."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from confluent_kafka import ConsumerGroupState
from confluent_kafka.admin import AdminClient

from millrace_harness.mapping import InvokeAnswer
from tests.fixtures.mapping_process import MappingProcess
from tests.fixtures.persisting import Calls, eventually, mapping_of, processes, running
from tests.fixtures.way import Way, patiently, stored_by

pytestmark = pytest.mark.timeout(180)

_EVENTS = 40
_ROUNDS = 20
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


def test_a_batch_that_two_processes_store_at_once_is_stored_and_counted_once(way: Way) -> None:
    """As where a poller is given up while its call goes on: the next one has the same records, and others beside."""
    rig = way.rig
    with processes(rig.settings(), rig.folder / "first") as one, processes(rig.settings(), rig.folder / "other") as two:
        calls, others = Calls(one), Calls(two)

        def both(payload: bytes) -> InvokeAnswer:
            event = json.loads(payload)
            event["records"] = dict(reversed(event["records"].items()))
            with ThreadPoolExecutor(1) as beside:
                other = beside.submit(others, json.dumps(event).encode())
                answer = calls(payload)
                other.result()
            return answer

        with running(mapping_of(both, way.topic, bootstrap=way.bootstrap, group=way.group)):
            for _ in range(_ROUNDS):
                way.send_all(_EVENTS)
            way.assert_balanced()
    assert '"duplicate"' in calls.logs + others.logs
    assert calls.failed == others.failed == 0, calls.logs + others.logs


def group(way: Way) -> tuple[ConsumerGroupState, list[int]]:
    """The state of the mapping's consumer group, and how many partitions each member has."""
    admin = AdminClient({"bootstrap.servers": way.bootstrap})
    found = patiently(lambda: admin.describe_consumer_groups([way.group])[way.group].result(_SECONDS))
    return found.state, [len(member.assignment.topic_partitions) for member in found.members]


def is_joined(way: Way) -> bool:
    """Whether somebody joins, or has joined, the one member that there was."""
    state, shares = group(way)
    return state == ConsumerGroupState.PREPARING_REBALANCING or len(shares) > 1


def is_shared(way: Way) -> bool:
    """Whether each of several members has partitions."""
    state, shares = group(way)
    return state == ConsumerGroupState.STABLE and len(shares) > 1 and all(shares)
