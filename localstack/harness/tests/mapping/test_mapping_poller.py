"""A poller whose consumer gives records at the very moments that matter, which no broker can be made to choose."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import pytest
from mapping_kit import BOUND_SECONDS, Call, Function, eventually

from millrace_harness.mapping import InvokeAnswer, MappingConfig, Pace, poller
from millrace_harness.mapping.event import Record
from millrace_harness.mapping.poller import Poller

type Step = Record | threading.Event | Callable[[], Record | None]


class Script:
    """Stands where the consumer does, and gives one step after the other; an event is waited for, a call made."""

    def __init__(self, steps: Iterable[Step]) -> None:
        self._steps = list(steps)
        self.revoked: Callable[[set[int]], None]

    def __call__(self, _: MappingConfig, *, revoked: Callable[[set[int]], None], **_others: Any) -> Self:
        self.revoked = revoked
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def poll(self, seconds: float) -> Record | None:
        waits = not self._steps or (isinstance(self._steps[0], threading.Event) and not self._steps[0].is_set())
        if waits:
            time.sleep(min(seconds, 0.01))
            return None
        step = self._steps.pop(0)
        if isinstance(step, threading.Event):
            return None
        return step if isinstance(step, Record) else step()

    def pause(self, partitions: set[int]) -> None:
        pass

    def pause_all(self) -> None:
        pass

    def commit(self, offsets: Mapping[int, int]) -> None:
        pass

    def ends(self) -> dict[int, int]:
        return {}


@contextmanager
def polling(patch: pytest.MonkeyPatch, script: Script, function: Function, **options: Any) -> Iterator[None]:
    # Only here a poller has another consumer than its own; nobody else is to choose one.
    patch.setattr(poller, "Source", script)
    config = MappingConfig(topic="t", consumer_group="g", bootstrap="b", event_source_arn=None, **options)
    one = Poller(config, function, None, pace=Pace(), report=lambda _: None)
    one.start()
    try:
        yield
    finally:
        one.stop()
        one.join()


def _record(partition: int, offset: int) -> Record:
    return Record(topic="t", partition=partition, offset=offset, timestamp=0, value=b"%d" % offset)


def test_a_batch_that_what_came_beside_a_call_has_filled_is_no_larger_than_its_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried_again, came = threading.Event(), threading.Event()

    def answer(call: Call) -> InvokeAnswer:
        if "t-0" not in call:
            return InvokeAnswer(b"")
        if len(function.calls) == 1:
            return InvokeAnswer(b"{}", "Unhandled")
        tried_again.set()
        assert came.wait(BOUND_SECONDS)
        return InvokeAnswer(b"")

    function = Function(answer)
    script = Script(
        [
            *(_record(0, offset) for offset in range(3)),
            _record(1, 0),  # is collected while the first three wait for their retry
            tried_again,
            *(_record(1, offset) for offset in range(1, 4)),
            came.set,
            *(_record(1, offset) for offset in range(4, 12)),
        ]
    )
    with polling(monkeypatch, script, function, batch_size=3, window_seconds=5):
        eventually(lambda: len(function.values("t-1")) == 12)
    assert function.batches("t-1") == [[b"%d" % offset for offset in range(first, first + 3)] for first in (0, 3, 6, 9)]


def test_a_record_that_comes_with_the_rebalance_that_ends_a_call_is_not_overtaken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go_on = threading.Event()

    def answer(call: Call) -> InvokeAnswer:
        assert "t-0" not in call or go_on.wait(BOUND_SECONDS)
        return InvokeAnswer(b"")

    def rebalance() -> Record:
        go_on.set()
        script.revoked({0})  # which waits for the call
        return _record(1, 1)

    function = Function(answer)
    script = Script([_record(0, 0), _record(1, 0), rebalance, *(_record(1, offset) for offset in range(2, 6))])
    with polling(monkeypatch, script, function, batch_size=2):
        eventually(lambda: len(function.values("t-1")) == 6)
    assert function.values("t-1") == [b"%d" % offset for offset in range(6)]
