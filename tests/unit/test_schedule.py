"""Chores of a run: in order, each with what is left of the time, and one that fails keeps none from its turn."""

import asyncio

import msgspec
import pytest

from shared.kit.deadline import Deadline
from shared.runtime.schedule import Chore, ChoresFailed, schedule_handler


class Done(msgspec.Struct):
    things: int


class Context:
    """What Lambda tells of an invocation with so many seconds left."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self._seconds * 1000)


def run(*chores: Chore, seconds: float = 60.0) -> None:
    schedule_handler(chores)({}, Context(seconds))


def test_chores_are_done_in_their_order_and_what_they_did_is_written(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    order: list[str] = []

    def chore(name: str) -> Chore:
        async def work(deadline: Deadline) -> Done:
            assert 0 < deadline.left() < 60
            order.append(name)
            return Done(len(order))

        return Chore(name, work)

    run(chore("one"), chore("two"))
    assert order == ["one", "two"]
    assert [(line.message, vars(line)["chore"], vars(line)["things"]) for line in caplog.records] == [
        ("chore.done", "one", 1),
        ("chore.done", "two", 2),
    ]


def test_a_chore_that_fails_keeps_none_from_its_turn_and_the_run_counts_as_failed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fails(_: Deadline) -> None:
        raise OSError("no")

    done: list[str] = []

    async def works(_: Deadline) -> None:
        done.append("works")

    with pytest.raises(ChoresFailed, match=r"^one, three$"):
        run(Chore("one", fails), Chore("two", works), Chore("three", fails))
    assert done == ["works"]
    failed = [line for line in caplog.records if line.levelname == "ERROR"]
    assert [(line.message, vars(line)["chore"], line.exc_info and line.exc_info[0]) for line in failed] == [
        ("chore.failed", "one", OSError),
        ("chore.failed", "three", OSError),
    ]


def test_a_chore_is_cut_off_before_the_function_s_time_is_up_and_before_that_of_those_after_it() -> None:
    order: list[str] = []
    left: list[float] = []

    async def hangs(deadline: Deadline) -> None:
        left.append(deadline.left())
        try:
            await asyncio.Event().wait()
        finally:
            order.append("cut off")

    async def works(deadline: Deadline) -> None:
        left.append(deadline.left())
        await asyncio.sleep(0.01)
        order.append("works")

    with pytest.raises(ChoresFailed, match=r"^one$"):
        run(
            Chore("one", hangs),
            Chore("two", works, kept_seconds=20),
            Chore("three", works, kept_seconds=30),
            seconds=53.1,
        )
    assert order == ["cut off", "works", "works"]
    # Of the 53.1 s, 3 s are the function's own.
    assert [left[0] <= 0.1, 10 < left[1] <= 20.1, 30 < left[2] <= 50.1] == [True, True, True]
