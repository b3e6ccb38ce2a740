import json
import os
import signal
import socket
import stat
import threading
from pathlib import Path

import pytest

from millrace_harness.parts import PartFailed
from millrace_harness.parts.ledger import Ledger
from millrace_harness.parts.locks import locked
from millrace_harness.parts.ports import HIGHEST, LOWEST, free_port, is_free


def test_a_port_is_remembered_by_the_next_ledger(tmp_path: Path) -> None:
    port = Ledger(tmp_path).port("kafka")
    assert is_free(port)
    assert Ledger(tmp_path).port("kafka") == port


def test_two_servers_never_get_one_port(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    assert len({ledger.port(name) for name in "abcdefgh"}) == 8


def test_a_free_port_is_kept_and_a_taken_one_replaced(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    kept, taken = ledger.port("kafka"), ledger.port("valkey")
    with socket.create_server(("127.0.0.1", taken)):
        ledger.renew_ports(["kafka", "valkey"])
    assert ledger.port("kafka") == kept
    assert ledger.port("valkey") != taken


def test_a_free_port_is_none_of_those_to_avoid() -> None:
    usual = set(range(LOWEST, HIGHEST + 1))
    assert free_port(usual) not in usual


def test_the_password_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    Ledger(tmp_path / "one").port("a")
    Ledger(tmp_path / "two").port("a")
    one, two = (Ledger(tmp_path / name).read() for name in ("one", "two"))
    assert one.password == Ledger(tmp_path / "one").read().password
    assert one.password != two.password
    assert len(one.password) >= 32
    assert stat.S_IMODE((tmp_path / "one" / "parts.json").stat().st_mode) == 0o600


def test_changes_of_many_threads_are_all_kept(tmp_path: Path) -> None:
    threads = [threading.Thread(target=Ledger(tmp_path).port, args=[f"server-{number}"]) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(json.loads((tmp_path / "parts.json").read_text())["ports"].values())) == 12


def test_a_change_that_fails_leaves_the_page_as_it_was(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    port = ledger.port("a")
    with pytest.raises(ZeroDivisionError), ledger.page() as page:
        page.ports["a"] = 1 // 0
    assert ledger.port("a") == port


def test_a_page_of_another_version_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "parts.json").write_text('{"processes": {}, "no_such_field": 1}')
    with pytest.raises(PartFailed, match=r"written by another version: run that one's `down`"):
        Ledger(tmp_path).read()


def test_a_started_process_is_recorded_and_carries_the_mark(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    process = ledger.start("sleeper", ["sleep", "600"], log=tmp_path / "log", environment={})
    try:
        assert Ledger(tmp_path).process("sleeper") == process
        environment = Path(f"/proc/{process.pid}/environ").read_bytes()
        assert f"MILLRACE_PARTS={ledger.read().mark}".encode() in environment
    finally:
        process.stop(signal.SIGKILL, grace_seconds=5)


def test_a_closed_ledger_starts_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.close()
    with pytest.raises(PartFailed, match="another part failed"):
        ledger.start("sleeper", ["sleep", "600"], log=tmp_path / "log", environment={})
    assert ledger.process("sleeper") is None


def test_a_command_that_is_not_there_is_a_failed_part(tmp_path: Path) -> None:
    with pytest.raises(PartFailed, match="cannot be executed"):
        Ledger(tmp_path).start("it", ["/no/such/program"], log=tmp_path / "log", environment={})


def test_who_waits_too_long_for_a_lock_is_told_what_for(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    second = locked(lock, patience_seconds=0.1, purpose="second")
    with locked(lock, patience_seconds=1, purpose="first"), pytest.raises(PartFailed, match=r"that is second:.*fuser"):
        second.__enter__()
    with locked(lock, patience_seconds=0, purpose="third"):
        assert os.access(lock, os.W_OK)
