"""Stacks that are begun, broken and ended: each test has one of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence

import psutil
import pytest
import redis

from millrace_harness.parts import Endpoints, Part, PartFailed, Paths, Server, Stack
from millrace_harness.parts.processes import MARK, Process, spawn, strays

UP = """
import sys
from pathlib import Path
from millrace_harness.parts import Paths, Stack
Stack(Paths(*map(Path, sys.argv[1:]))).up(lambda line: print(line, flush=True))
print("up", flush=True)
"""


@pytest.fixture
def own(paths: Paths) -> Iterator[Stack]:
    """A stack of the test's own, down until it is brought up."""
    stack = Stack(paths)
    yield stack
    stack.down()
    assert strays(stack.ledger.read().mark) == []


def supervisor(paths: Paths) -> subprocess.Popen[str]:
    folders = [str(paths.checkout), str(paths.state), str(paths.cache)]
    return subprocess.Popen(
        [sys.executable, "-c", UP, *folders], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


class Failing(Part):
    """A part that says why, and ends."""

    title = "Failing"
    version = "0"

    def servers(self) -> Sequence[Server]:
        command = ("sh", "-c", "echo 'no such setting: speed'; exit 1")
        return [Server(name=self.name, command=command, port=self.ledger.port(self.name))]

    def answers(self) -> bool:
        return False


def test_before_up_there_is_nothing_to_reach_and_nothing_to_stop(own: Stack) -> None:
    with pytest.raises(PartFailed, match="not up: run `up` first"):
        assert own.endpoints
    own.down()
    assert {report.state for report in own.report()} == {"stopped"}
    assert {report.memory_bytes for report in own.report()} == {0}


def test_down_leaves_no_process_and_no_data_and_the_next_up_has_the_same_ports(own: Stack) -> None:
    endpoints = own.up(print)
    with redis.Redis.from_url(endpoints.redis_url) as client:
        client.set("key", "value")
    own.down()
    assert {report.state for report in own.report()} == {"stopped"}
    assert strays(own.ledger.read().mark) == []
    assert not own.paths.data.exists()
    assert not [process for process in psutil.process_iter(["cmdline"]) if mentions(process, own.paths)]
    assert own.up(print) == endpoints
    with redis.Redis.from_url(endpoints.redis_url) as client:
        assert client.get("key") is None


def mentions(process: psutil.Process, paths: Paths) -> bool:
    return any(str(paths.state) in word for word in process.info["cmdline"] or [])


def test_a_taken_port_leads_to_another(own: Stack) -> None:
    taken = own.ledger.port("valkey")
    with socket.create_server(("127.0.0.1", taken)):
        endpoints = own.up(print)
    assert endpoints.redis_url.endswith("/0")
    assert own.part("valkey").report().port != taken
    with redis.Redis.from_url(endpoints.redis_url) as client:
        assert client.ping()


def test_a_part_whose_port_was_taken_meanwhile_says_so(own: Stack) -> None:
    own.up(print)
    valkey = own.part("valkey")
    valkey.stop()
    port = own.ledger.port("valkey")
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(PartFailed, match=f"127.0.0.1:{port}, something else"),
    ):
        valkey.start()


def test_what_a_killed_supervisor_has_left_is_cleaned_by_the_next_up(own: Stack) -> None:
    killed = supervisor(own.paths)
    assert killed.stdout
    assert "ready" in killed.stdout.readline()
    killed.kill()
    killed.wait()
    killed.stdout.close()
    left = [process for process in own.ledger.read().processes.values() if process.alive]
    assert left
    own.up(print)
    assert not [process for process in left if process.alive]
    assert {report.state for report in own.report()} == {"running"}


def test_an_interrupted_up_takes_down_what_it_has_started(own: Stack) -> None:
    interrupted = supervisor(own.paths)
    assert interrupted.stdout
    assert "ready" in interrupted.stdout.readline()
    interrupted.send_signal(signal.SIGINT)
    said, _ = interrupted.communicate()
    assert interrupted.returncode != 0
    assert "up" not in said.splitlines()
    assert strays(own.ledger.read().mark) == []
    assert {report.state for report in own.report()} == {"stopped"}


def test_a_supervisor_that_ends_leaves_its_parts_to_the_next(own: Stack) -> None:
    first = supervisor(own.paths)
    said, _ = first.communicate()
    assert said.splitlines()[-1] == "up"
    pids = [report.pid for report in Stack(own.paths).report()]
    assert own.up(print) == Stack(own.paths).endpoints
    assert [report.pid for report in own.report()] == pids


def test_of_two_ups_at_once_the_second_finds_all_running(own: Stack) -> None:
    answers: list[Endpoints] = []
    said: list[str] = []

    def up() -> None:
        answers.append(Stack(own.paths).up(said.append))

    threads = [threading.Thread(target=up) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [own.endpoints] * 2
    assert said.count("6 of 6 parts ran already") == 1
    assert len([line for line in said if "is ready" in line]) == 6


def test_a_failing_part_names_its_log_and_takes_the_others_with_it(own: Stack) -> None:
    own.adopt(Failing("failing", own.paths, own.ledger))
    with pytest.raises(PartFailed, match="Failing ended while it started: no such setting: speed") as failure:
        own.up(print)
    assert failure.value.log == own.paths.logs / "failing.log"
    assert str(failure.value.log) in str(failure.value)
    assert "no such setting" in failure.value.log.read_text()
    assert {report.state for report in own.report()} == {"stopped"}
    assert strays(own.ledger.read().mark) == []


def test_after_a_failure_the_same_stack_can_be_brought_up(own: Stack) -> None:
    broken = Stack(own.paths)
    broken.adopt(Failing("failing", own.paths, broken.ledger))
    with pytest.raises(PartFailed, match="Failing ended"):
        broken.up(print)
    assert own.up(print) == own.endpoints


def test_a_stranger_with_a_recorded_number_is_never_signalled(own: Stack) -> None:
    stranger = spawn(["sleep", "600"], log=own.paths.logs / "stranger.log", environment=os.environ)
    try:
        with own.ledger.page() as page:
            page.processes["kafka"] = Process(stranger.pid, "1@an-earlier-boot")
        assert own.part("kafka").report().state == "dead"
        own.part("kafka").stop()
        own.down()
        assert stranger.alive
    finally:
        stranger.stop(signal.SIGKILL, grace_seconds=5)


def test_a_process_that_was_never_recorded_is_ended_by_its_mark(own: Stack) -> None:
    own.ledger.port("kafka")
    marked = {**os.environ, MARK: own.ledger.read().mark}
    unrecorded = spawn(["sleep", "600"], log=own.paths.logs / "sleep.log", environment=marked)
    own.down()
    assert not unrecorded.alive


def test_a_process_that_only_the_ledger_knows_is_ended_too(own: Stack) -> None:
    extra = own.ledger.start("extra", ["sleep", "600"], log=own.paths.logs / "extra.log", environment={})
    own.down()
    assert not extra.alive
    assert json.loads(own.ledger.file.read_text())["processes"] == {}
