"""Chores of a run: in order, each with what is left of the time, and one that fails keeps none from its turn."""

import asyncio
from typing import Any

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


def test_a_chore_is_cut_off_before_the_function_s_time_is_up() -> None:
    cut: list[str] = []

    async def hangs(_: Deadline) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cut.append("hangs")

    async def asks(deadline: Deadline) -> Any:
        cut.append(str(deadline.left()))

    with pytest.raises(ChoresFailed, match=r"^one"):
        run(Chore("one", hangs), Chore("two", asks), seconds=3.1)
    assert cut[0] == "hangs"
