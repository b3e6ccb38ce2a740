"""What the real service does and AWS' emulator does not; each test names the page of the Lambda developer guide."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from host_runtime import COMMAND, MakeSpec

from millrace_harness.host import Closed, Environment, Gone, Host, Invocation, Invoked, RequestTooLarge, Throttled

BOUND_SECONDS = 20.0

type MakeHost = Callable[..., Host]


def told(answer: Invoked) -> Any:
    return json.loads(answer.payload)


def eventually(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + BOUND_SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_an_error_is_marked_and_a_success_is_not(make_host: MakeHost) -> None:
    """ "Invoke" (API reference): X-Amz-Function-Error."""
    assert make_host("lambdas.fail").invoke(b"{}").error == "Unhandled"
    assert make_host("lambdas.echo").invoke(b"{}").error is None


def test_a_timeout_is_a_document(make_host: MakeHost) -> None:
    answer = make_host("lambdas.sleep", timeout_seconds=1).invoke(b'{"seconds": 30}')
    assert answer.error == "Unhandled"
    assert told(answer)["errorType"] == "Sandbox.Timedout"
    assert re.search(r"Z \S+ Task timed out after 1\.00 seconds", answer.logs)


def test_a_request_over_6_mb_is_refused_before_the_function_sees_it(make_host: MakeHost) -> None:
    """ "Lambda quotas": invocation payload, 6 MB each for request and response, synchronous."""
    host = make_host("lambdas.echo")
    with pytest.raises(RequestTooLarge):
        host.invoke(b'"' + b"x" * 6 * 1024 * 1024 + b'"')
    assert host.pids == ()


def test_requests_at_once_get_an_environment_each_up_to_the_limit(make_host: MakeHost) -> None:
    """ "Understanding Lambda function scaling": one request at a time in each environment, then 429."""
    host = make_host("lambdas.sleep", limit=3)
    with ThreadPoolExecutor(3) as pool:
        running = [pool.submit(host.invoke, b'{"seconds": 3}') for _ in range(3)]
        eventually(lambda: len(host.pids) == 3)
        with pytest.raises(Throttled):
            host.invoke(b'{"seconds": 0}')
        answers = [told(one.result()) for one in running]
    assert len({answer["pid"] for answer in answers}) == 3


def test_provisioned_environments_are_ready_before_the_first_request(make_host: MakeHost) -> None:
    host = make_host("lambdas.who", limit=2, ready=2)
    assert len(host.pids) == 2
    assert told(host.invoke(b"{}"))["pid"] in host.pids


def test_an_init_that_takes_too_long_is_tried_again_inside_the_first_request(make_host: MakeHost) -> None:
    """ "Understanding the Lambda execution environment lifecycle": init has 10 s, then the function's own timeout."""
    host = make_host("slow_init.handler", timeout_seconds=20, init_timeout_seconds=1)
    answer = host.invoke(b"{}")
    assert told(answer) == "ready at last"
    assert "INIT_REPORT" in answer.logs


def test_the_lines_around_an_invocation_are_the_service_s(make_host: MakeHost) -> None:
    """ "Working with Lambda function logs": START, the function's own output, END and REPORT."""
    host = make_host("lambdas.who")
    first, second = host.invoke(b"{}", request_id="one"), host.invoke(b"{}", request_id="two")
    assert re.search(
        r"START RequestId: one Version: \$LATEST\nwho was asked\nEND RequestId: one\n"
        r"REPORT RequestId: one\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 256 MB\t"
        r"Max Memory Used: \d+ MB\tInit Duration: [\d.]+ ms\t\n",
        first.logs,
    )
    assert "Init Duration" not in second.logs
    assert first.init_ms is not None
    assert second.init_ms is None
    assert 0 < second.memory_used_mb < 256


def test_what_a_function_started_ends_with_its_environment(make_spec: MakeSpec, tmp_path: Path) -> None:
    environment = Environment(make_spec("lambdas.parent"), log=tmp_path / "log")
    environment.start()
    seen = told(environment.invoke(Invocation(payload=b"{}")))
    environment.kill()
    assert not environment.alive
    eventually(lambda: gone(seen["child"]) and gone(seen["pid"]))


def test_a_killed_environment_answers_exit_error_and_another_takes_its_place(make_host: MakeHost) -> None:
    host = make_host("lambdas.sleep")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(host.invoke, b'{"seconds": 30}')
        eventually(lambda: len(host.pids) == 1)
        time.sleep(0.5)  # the request is under way: init alone has no answer that could be cut
        os.kill(host.pids[0], signal.SIGKILL)
        answer = running.result()
    assert told(answer)["errorType"] == "Runtime.ExitError"
    assert told(host.invoke(b'{"seconds": 0}'))["pid"]


def test_an_environment_that_died_while_it_was_idle_is_not_noticed_by_the_next_request(make_host: MakeHost) -> None:
    host = make_host("lambdas.who")
    before = told(host.invoke(b"{}"))["pid"]
    os.kill(before, signal.SIGKILL)
    eventually(lambda: host.pids == ())
    answer = host.invoke(b"{}")
    assert answer.error is None
    assert told(answer)["pid"] != before


def test_a_frozen_environment_is_thawed_by_its_next_request(make_spec: MakeSpec, tmp_path: Path) -> None:
    environment = Environment(make_spec("lambdas.who"), log=tmp_path / "log")
    environment.start()
    try:
        environment.freeze()
        eventually(lambda: psutil.Process(environment.pid).status() == psutil.STATUS_STOPPED)
        assert told(environment.invoke(Invocation(payload=b"{}")))["calls"] == 1
    finally:
        environment.kill()


def test_an_environment_takes_one_request_at_a_time(make_spec: MakeSpec, tmp_path: Path) -> None:
    environment = Environment(make_spec("lambdas.sleep"), log=tmp_path / "log")
    environment.start()
    try:
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(environment.invoke, Invocation(payload=b'{"seconds": 2}'))
            time.sleep(0.5)
            with pytest.raises(RuntimeError, match="one request at a time"):
                environment.invoke(Invocation(payload=b'{"seconds": 0}'))
            assert running.result().error is None
    finally:
        environment.kill()


def test_an_environment_that_has_ended_says_so_at_once(make_spec: MakeSpec, tmp_path: Path) -> None:
    environment = Environment(make_spec("lambdas.leave"), log=tmp_path / "log")
    environment.start()
    assert told(environment.invoke(Invocation(payload=b'{"leave": 1}')))["errorType"] == "Runtime.ExitError"
    with pytest.raises(Gone):
        environment.invoke(Invocation(payload=b"{}"))


def test_a_closed_host_leaves_no_process_and_takes_no_request(make_host: MakeHost) -> None:
    host = make_host("lambdas.who", limit=2, ready=2)
    pids = host.pids
    host.close()
    for pid in pids:
        eventually(lambda pid=pid: gone(pid))  # type: ignore[misc]
    with pytest.raises(Closed):
        host.invoke(b"{}")


def test_environments_end_by_themselves_when_their_host_is_killed(code: Path, tmp_path: Path) -> None:
    script = f"""
import sys, time
from pathlib import Path
from millrace_harness.host import FunctionSpec, Host
spec = FunctionSpec(name="f", arn="arn:aws:lambda:us-east-1:012345678912:function:f", handler="lambdas.who",
                    code=Path({str(code)!r}), command={COMMAND!r}, timeout_seconds=20, memory_mb=128)
host = Host(spec, limit=2, log_folder=Path({str(tmp_path)!r}), ready=2)
print(*host.pids, flush=True)
time.sleep(600)
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pids = [int(word) for word in process.stdout.readline().split()]
    assert len(pids) == 2
    process.kill()
    process.wait()
    process.stdout.close()
    eventually(lambda: all(map(gone, pids)))


def test_an_environment_listens_on_loopback_alone(make_host: MakeHost) -> None:
    host = make_host("lambdas.who", ready=1)
    listening = [
        connection.laddr.ip
        for connection in psutil.Process().net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr
    ]
    assert host.pids
    assert set(listening) == {"127.0.0.1"}
    assert threading.active_count() > 1
