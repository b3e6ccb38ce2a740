"""The contract, against a real broker: the mapping's process is killed, and a new one goes on.

Each test is a rule; its docstring names the page of the Lambda developer guide that the rule is from.
"""

import json
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from mapping_kit import Function, Produce, committed, eventually, mapping

type Host = Callable[..., subprocess.Popen[bytes]]

VALUES = [b"%02d" % number for number in range(30)]


@pytest.fixture
def host(bootstrap: str, topic: str, tmp_path: Path) -> Iterator[Host]:
    """Start a process with a mapping; whatever runs at the end is killed."""
    running: list[subprocess.Popen[bytes]] = []

    def start(die: str, **options: Any) -> subprocess.Popen[bytes]:
        config = {
            "topic": topic,
            "consumer_group": f"group-of-{topic}",
            "bootstrap": bootstrap,
            "event_source_arn": None,
            "batch_size": 4,
        }
        told = {"die": die, "log": str(tmp_path / "log"), "config": config | options}
        script = Path(__file__).with_name("mapping_host.py")
        running.append(subprocess.Popen([sys.executable, str(script), json.dumps(told)]))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait()


def _lines(tmp_path: Path) -> list[Any]:
    log = tmp_path / "log"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


@pytest.mark.parametrize("die", ["before", "after"])
def test_a_host_killed_in_mid_batch_loses_nothing_and_the_next_begins_at_the_last_commit(
    bootstrap: str, topic: str, produce: Produce, host: Host, tmp_path: Path, die: str
) -> None:
    """invocation-eventsourcemapping: at least once. What was committed is done; what was not is done again."""
    produce(0, VALUES)
    killed = host(die)
    assert killed.wait(30) == -signal.SIGKILL
    before = [value.encode() for line in _lines(tmp_path) for value in line]
    last = max(committed(bootstrap, topic, 0), 0)
    assert last == 8
    function = Function()
    with mapping(bootstrap, topic, function):
        eventually(lambda: committed(bootstrap, topic, 0) == 30)
    assert function.values(f"{topic}-0") == VALUES[last:]
    assert list(dict.fromkeys(before + function.values(f"{topic}-0"))) == VALUES


def _let_go(bootstrap: str, topic: str) -> None:
    """Take the group's members out of it, as `kafka-consumer-groups --remove-members` would, and the broker does later.

    The client has no call for it: a LeaveGroup request of version 1, whose answer ends with the error's number.
    """
    group = f"group-of-{topic}"
    admin = AdminClient({"bootstrap.servers": bootstrap})
    [described] = admin.describe_consumer_groups([group]).values()
    for member in described.result(10).members:
        texts = (text.encode() for text in ("test", group, member.member_id))
        asked = struct.pack(">hhi", 13, 1, 0) + b"".join(struct.pack(">h", len(text)) + text for text in texts)
        host, port = bootstrap.split(":")
        with socket.create_connection((host, int(port)), 10) as broker:
            broker.sendall(struct.pack(">i", len(asked)) + asked)
            assert broker.recv(64)[-2:] == b"\0\0"


def test_a_host_killed_from_outside_at_any_moment_loses_nothing(
    bootstrap: str, topic: str, produce: Produce, host: Host, tmp_path: Path
) -> None:
    """invocation-eventsourcemapping: at least once, three kills in a row."""
    for round_ in range(3):
        produce(0, [b"%d-%04d" % (round_, number) for number in range(2_000)])
        process = host("never")
        seen = len(_lines(tmp_path))
        eventually(lambda seen=seen: len(_lines(tmp_path)) > seen + 20)  # type: ignore[misc]
        process.send_signal(signal.SIGKILL)
        assert process.wait(30) == -signal.SIGKILL
        _let_go(bootstrap, topic)
    host("never")
    eventually(lambda: committed(bootstrap, topic, 0) == 6_000)
    done = [value for line in _lines(tmp_path) for value in line]
    assert list(dict.fromkeys(done)) == [f"{round_}-{number:04d}" for round_ in range(3) for number in range(2_000)]


def test_a_host_killed_while_it_gives_records_up_gives_them_up_again(
    bootstrap: str, topic: str, produce: Produce, host: Host, tmp_path: Path
) -> None:
    """kafka-on-failure: records are kept at the destination; until they are they are not committed."""
    produce(0, [b"bad"])
    killed = host("giving up", maximum_retries=0)
    assert killed.wait(30) == -signal.SIGKILL
    assert committed(bootstrap, topic, 0) <= 0
    host("never", maximum_retries=0)
    eventually(lambda: committed(bootstrap, topic, 0) == 1)
    assert _lines(tmp_path)[-1] == {"given up": ["0"]}


def test_a_host_that_is_frozen_loses_its_partitions_and_does_no_harm_when_it_thaws(
    bootstrap: str, topic: str, produce: Produce, host: Host, tmp_path: Path
) -> None:
    """Own choice: who has lost a partition commits nothing of it."""
    produce(0, VALUES)
    process = host("never", window_seconds=300, batch_size=31)  # it has read all of it, and called nobody
    eventually(lambda: committed(bootstrap, topic, 0) == 0)
    time.sleep(1)
    process.send_signal(signal.SIGSTOP)
    function = Function()
    with mapping(bootstrap, topic, function):
        eventually(lambda: committed(bootstrap, topic, 0) == 30)
        process.send_signal(signal.SIGCONT)
        time.sleep(5)  # for it to learn of its loss, and to do what it must not
        assert committed(bootstrap, topic, 0) == 30
    assert function.values(f"{topic}-0") == VALUES
    assert _lines(tmp_path) == []
