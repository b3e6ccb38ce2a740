import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from millrace_harness.parts.processes import MARK, Process, spawn, strays

SLEEP = ["sleep", "600"]
IGNORES_TERM = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)",
]


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Process]:
    process = spawn(SLEEP, log=tmp_path / "log", environment=os.environ)
    yield process
    process.stop(signal.SIGKILL, grace_seconds=5)


def test_a_spawned_process_is_alive_until_it_is_stopped(sleeper: Process) -> None:
    assert sleeper.alive
    sleeper.stop(signal.SIGTERM, grace_seconds=5)
    assert not sleeper.alive


def test_a_process_that_ended_by_itself_is_not_alive_although_nobody_waited(tmp_path: Path) -> None:
    process = spawn(["true"], log=tmp_path / "log", environment=os.environ)
    assert process.gone_within(5)
    assert not process.alive


def test_a_stranger_with_the_same_number_is_neither_alive_nor_signalled(sleeper: Process) -> None:
    earlier = dataclasses.replace(sleeper, birth="1@another-boot")
    assert not earlier.alive
    assert earlier.send(signal.SIGKILL) is False
    earlier.stop(signal.SIGKILL, grace_seconds=5)
    assert earlier.memory_bytes() == 0
    assert sleeper.alive


def test_who_ignores_the_request_is_killed_after_the_grace(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = spawn(IGNORES_TERM, log=log, environment=os.environ)
    end = time.monotonic() + 10
    while "up" not in log.read_text() and time.monotonic() < end:
        time.sleep(0.01)
    process.stop(signal.SIGTERM, grace_seconds=0.2)
    assert not process.alive


def test_a_process_outlives_the_one_that_started_it(tmp_path: Path) -> None:
    program = (
        "import os, pathlib; from millrace_harness.parts.processes import spawn; "
        f"p = spawn({SLEEP!r}, log=pathlib.Path({str(tmp_path / 'log')!r}), environment=os.environ); "
        "print(p.pid, p.birth)"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    process = Process(int(said[0]), said[1])
    try:
        assert process.alive
        assert os.getsid(process.pid) == process.pid
    finally:
        process.stop(signal.SIGKILL, grace_seconds=5)
    assert not process.alive


def test_strays_are_known_by_their_mark_alone(tmp_path: Path, sleeper: Process) -> None:
    marked = spawn(SLEEP, log=tmp_path / "log", environment={**os.environ, MARK: tmp_path.name})
    try:
        assert strays(tmp_path.name) == [marked]
    finally:
        marked.stop(signal.SIGKILL, grace_seconds=5)
    assert strays(tmp_path.name) == []
    assert sleeper.alive


def test_memory_is_that_of_the_process_and_all_below_it(tmp_path: Path, sleeper: Process) -> None:
    family = spawn(["sh", "-c", "sleep 600 & sleep 600 & wait"], log=tmp_path / "log", environment=os.environ)
    try:
        end = time.monotonic() + 10
        while family.memory_bytes() <= sleeper.memory_bytes() and time.monotonic() < end:
            time.sleep(0.01)
        assert family.memory_bytes() > sleeper.memory_bytes() > 0
    finally:
        os.killpg(family.pid, signal.SIGKILL)
        family.end(grace_seconds=5)
