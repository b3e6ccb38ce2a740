"""A contestant's process, as this side of the pipes sees it."""

import os
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from loadtest.cpu.contestants import Contestant

_WORKER = Path(__file__).with_name("worker.py")
_SECONDS = 120.0  # for one answer: a start of a second, or a round of a few
_GONE_SECONDS = 10.0


class BenchmarkFailed(Exception):
    """What was measured is not what was meant. The message says what was seen."""


class Start(msgspec.Struct, frozen=True):
    """What a start cost: seconds of CPU before the handler's import (interpreter and runtime), and for it."""

    bare_seconds: float
    init_seconds: float
    rss_mb: float
    peak_mb: float


class Round(msgspec.Struct, frozen=True):
    """What a round of requests cost, in all; see the worker for what belongs to the handler.

    `slowest_seconds` are those of single calls with their JSON, at most 100, ascending. `degraded` counts answers that
    say that a part of the work was left out.
    """

    handler_seconds: float
    json_seconds: float
    wall_seconds: float
    slowest_seconds: list[float]
    statuses: dict[int, int]
    degraded: int
    body: str
    rss_mb: float
    peak_mb: float


class Environment:
    """One process that has imported a contestant's handler. Ends with its block."""

    def __init__(self, contestant: Contestant) -> None:
        self.contestant = contestant
        incoming, self._to = os.pipe()
        self._from, outgoing = os.pipe()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the process
        command = [str(contestant.python), str(_WORKER), contestant.handler, str(incoming), str(outgoing)]
        self._process = subprocess.Popen(
            command,
            cwd=contestant.code,
            env=dict(contestant.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._said,
            pass_fds=(incoming, outgoing),
        )
        os.close(incoming)
        os.close(outgoing)
        self._source = os.fdopen(self._from, "rb")
        self._sink = os.fdopen(self._to, "wb")
        with self._bounded():
            self.start = msgspec.json.decode(self._line(), type=Start)

    def run(self, requests: Iterable[bytes], count: int, *, expected: int = 202) -> Round:
        """Send `count` requests, one after the other, each of which is to be answered with the status `expected`.

        Raises:
            BenchmarkFailed: the process ended, took too long, or did not accept every request.
        """
        with self._bounded():
            try:
                self._sink.write(f"run {count}\n".encode())
                for request in requests:
                    self._sink.write(f"{len(request)}\n".encode() + request)
                self._sink.flush()
            except BrokenPipeError:
                raise self._ended() from None
            found = msgspec.json.decode(self._line(), type=Round, strict=False)
        if found.statuses != {expected: count}:
            seen = f"statuses {found.statuses}; the last: {found.body[:500]}"
            raise BenchmarkFailed(f"{self.contestant.name} did not do all of its work: {seen}")
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait(_GONE_SECONDS)
        self._source.close()
        self._said.close()
        with suppress(BrokenPipeError):
            self._sink.close()

    @contextmanager
    def _bounded(self) -> Iterator[None]:
        """Kill the process when the block takes too long: that ends every wait for it."""
        timer = threading.Timer(_SECONDS, self._process.kill)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _line(self) -> bytes:
        line = self._source.readline()
        if not line:
            raise self._ended()
        return line

    def _ended(self) -> BenchmarkFailed:
        self._process.kill()
        self._process.wait(_GONE_SECONDS)
        self._said.seek(0)
        said = self._said.read().decode(errors="replace")[-1500:]
        return BenchmarkFailed(f"{self.contestant.name} ended, or was silent for {_SECONDS:.0f} s: {said}")
