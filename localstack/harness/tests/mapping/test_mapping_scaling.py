from dataclasses import replace

from millrace_harness.mapping import MappingConfig, Pace
from millrace_harness.mapping.scaling import Scaling

CONFIG = MappingConfig(
    topic="t",
    consumer_group="g",
    bootstrap="b",
    event_source_arn=None,
    batch_size=10,
    minimum_pollers=2,
    maximum_pollers=5,
)


def test_there_are_never_fewer_than_the_minimum_nor_more_than_the_maximum_or_the_partitions() -> None:
    scaling = Scaling(CONFIG, Pace())
    assert scaling.wanted(0, partitions=12, lag=0) == 2
    assert scaling.wanted(5, partitions=12, lag=10_000) == 5
    assert scaling.wanted(3, partitions=3, lag=10_000) == 3
    assert scaling.wanted(0, partitions=1, lag=0) == 1
    assert scaling.wanted(0, partitions=0, lag=0) == 1


def test_one_is_added_while_more_than_a_batch_a_poller_waits() -> None:
    scaling = Scaling(CONFIG, Pace())
    assert scaling.wanted(2, partitions=12, lag=20) == 2
    assert scaling.wanted(2, partitions=12, lag=21) == 3
    assert scaling.wanted(3, partitions=12, lag=21) == 3


def test_one_is_let_go_for_each_idle_time() -> None:
    moment = [0.0]
    scaling = Scaling(replace(CONFIG, minimum_pollers=1), Pace(idle_seconds=60), now=lambda: moment[0])
    moment[0] = 59.0
    assert scaling.wanted(3, partitions=12, lag=0) == 3
    assert scaling.wanted(3, partitions=12, lag=1) == 3
    moment[0] = 118.0
    assert scaling.wanted(3, partitions=12, lag=0) == 3
    moment[0] = 119.0
    assert scaling.wanted(3, partitions=12, lag=0) == 2
    assert scaling.wanted(2, partitions=12, lag=0) == 2
    moment[0] = 179.0
    assert scaling.wanted(2, partitions=12, lag=0) == 1
    moment[0] = 239.0
    assert scaling.wanted(1, partitions=12, lag=0) == 1
