"""When something counts as unused for too long."""

import pytest

from shared.kit.idle import Idle


class Clock:
    """One that is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("wall", "monotonic", "is_over"),
    [
        (0, 0, False),
        (60, 60, False),
        (61, 0, True),
        (0, 61, True),
        (-3600, 61, True),
        (61, 30, True),
        (-3600, 30, False),
    ],
)
def test_the_clock_that_says_more_is_believed(wall: float, monotonic: float, is_over: bool) -> None:
    clocks = Clock(), Clock()
    idle = Idle(60, wall=clocks[0], monotonic=clocks[1])
    clocks[0].now += wall
    clocks[1].now += monotonic
    assert idle.over() is is_over


def test_use_begins_the_time_anew() -> None:
    clock = Clock()
    idle = Idle(60, wall=clock, monotonic=clock)
    clock.now += 300
    idle.touch()
    assert not idle.over()
    clock.now += 61
    assert idle.over()
