"""Saying what is done while it is done: one line a step, with its seconds.

On a terminal the last line shows what runs now. Elsewhere nothing but whole lines is written, without control codes:
one when a step has taken long enough to wonder, one when it ends. Only the standard library: it speaks before anything
is installed.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Self, TextIO

SLOW_SECONDS = 2.0  # from here on a line of its own says what is being waited for, where no line is live
_TICK_SECONDS = 0.2
_WIDTH = 118


class Steps:
    """Lines about steps, on `stream` (standard error, unless told). Safe among threads."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._lock = threading.Lock()
        self._running: dict[str, float] = {}
        self._told: set[str] = set()
        self._ticker: threading.Thread | None = None
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        self._ended.clear()
        self._ticker = threading.Thread(target=self._tick, name="steps", daemon=True)
        self._ticker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._ticker:
            self._ticker.join()
        with self._lock:
            self._wipe()

    def say(self, text: str) -> None:
        """One line without a time of its own."""
        self._line("         ", text)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """A step that takes time. Its line is written when it ends; that of one that fails is marked."""
        started = time.monotonic()
        with self._lock:
            self._running[title] = started
        try:
            yield
        except BaseException:
            self._end(title, started, "failed: ")
            raise
        self._end(title, started, "")

    def _end(self, title: str, started: float, mark: str) -> None:
        with self._lock:
            self._running.pop(title, None)
        self._line(f"{time.monotonic() - started:6.1f} s ", f"{mark}{title}")

    def _line(self, lead: str, text: str) -> None:
        with self._lock:
            self._wipe()
            self._stream.write(f"{lead} {text}\n")
            self._stream.flush()

    def _tick(self) -> None:
        while not self._ended.wait(_TICK_SECONDS):
            now = time.monotonic()
            with self._lock:
                running = [(title, now - started) for title, started in self._running.items()]
            if self._live:
                self._draw(running)
            else:
                self._tell_slow(running)

    def _draw(self, running: list[tuple[str, float]]) -> None:
        shown = " · ".join(f"{title} {seconds:.0f} s" for title, seconds in running)
        with self._lock:
            self._wipe()
            self._stream.write(f"      …   {shown}"[:_WIDTH] if shown else "")
            self._stream.flush()

    def _tell_slow(self, running: list[tuple[str, float]]) -> None:
        for title, seconds in running:
            if seconds > SLOW_SECONDS and title not in self._told:
                self._told.add(title)
                self._line("      …  ", title)

    def _wipe(self) -> None:
        if self._live:
            self._stream.write("\r\x1b[K")


def together(*jobs: Callable[[], object]) -> None:
    """Do `jobs` side by side and return when all are done. The first failure is raised, after the others have ended."""
    with ThreadPoolExecutor(max_workers=max(1, len(jobs))) as pool:
        futures = [pool.submit(job) for job in jobs]
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        first = next((failure for future in done if (failure := future.exception())), None)
    if first:
        raise first
    for future in futures:
        future.result()
