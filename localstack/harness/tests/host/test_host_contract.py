"""One suite over our host and over AWS' own Runtime Interface Emulator: where both speak, ours agrees.

Where they differ ours follows the real service, and `test_host_rules.py` cites it: a request over 6 MB is refused and
not truncated, two requests at once get two environments and not a panic, init has a limit of its own, an error is
marked (X-Amz-Function-Error), and a timeout is a JSON document.
"""

import base64
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest
from host_runtime import COMMAND, MakeSpec

from millrace_harness.host import FunctionSpec, Host


class Service(Protocol):
    """Somebody who invokes the function."""

    def __call__(self, event: object, *, client_context: str | None = None) -> str: ...


type MakeService = Callable[..., Service]


class Ours:
    def __init__(self, host: Host) -> None:
        self._host = host

    def __call__(self, event: object, *, client_context: str | None = None) -> str:
        return self._host.invoke(json.dumps(event).encode(), client_context=client_context).payload.decode()


class Emulator:
    def __init__(self, program: Path, spec: FunctionSpec, log: Path) -> None:
        ports = []
        for _ in range(2):
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                ports.append(free.getsockname()[1])
        addresses = ["--runtime-interface-emulator-address", f"127.0.0.1:{ports[0]}"]
        addresses += ["--runtime-api-address", f"127.0.0.1:{ports[1]}"]
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(spec.code),
            "AWS_LAMBDA_FUNCTION_NAME": spec.name,
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(int(spec.timeout_seconds)),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory_mb),
            **spec.environment,
        }
        command = [str(program), *addresses, *COMMAND, spec.handler]
        with log.open("ab") as output:
            self.process = subprocess.Popen(command, env=environment, cwd=spec.code, stdout=output, stderr=output)
        self._url = f"http://127.0.0.1:{ports[0]}/2015-03-31/functions/function/invocations"

    def __call__(self, event: object, *, client_context: str | None = None) -> str:
        encoded = base64.b64encode((client_context or "").encode()).decode()
        headers = {"x-amz-client-context": encoded} if client_context else {}
        end = time.monotonic() + 20
        while True:
            try:
                return httpx.post(self._url, json=event, headers=headers, timeout=60).text
            except httpx.ConnectError:
                assert time.monotonic() < end, "the emulator does not listen"
                time.sleep(0.02)


@pytest.fixture(params=["ours", "emulator"])
def service(
    request: pytest.FixtureRequest, make_spec: MakeSpec, make_host: Callable[..., Host], tmp_path: Path
) -> Iterator[MakeService]:
    """Makes a service for a handler: ours, then AWS' emulator."""
    emulators: list[Emulator] = []

    def make(handler: str, **options: float) -> Service:
        if request.param == "ours":
            return Ours(make_host(handler, **options))
        program = request.getfixturevalue("rie")
        emulators.append(Emulator(program, make_spec(handler, **options), tmp_path / "emulator.log"))
        return emulators[-1]

    yield make
    for emulator in emulators:
        emulator.process.terminate()
        emulator.process.wait(20)


def told(answer: str) -> Any:
    return json.loads(answer)


def test_the_answer_is_the_function_s_own(service: MakeService) -> None:
    event = {"text": "Grüße", "numbers": [1, 2.5, None], "nested": {"a": True}}
    assert told(service("lambdas.echo")(event)) == event


def test_one_environment_serves_one_request_after_the_other(service: MakeService) -> None:
    invoke = service("lambdas.who")
    first, second = told(invoke({})), told(invoke({}))
    assert first["pid"] == second["pid"]
    assert (first["calls"], second["calls"]) == (1, 2)
    assert first["request_id"] != second["request_id"]


def test_the_function_knows_its_name_its_memory_its_time_and_its_configuration(service: MakeService) -> None:
    seen = told(service("lambdas.who", timeout_seconds=7)({}))
    assert (seen["name"], int(seen["memory"]), seen["handler"]) == ("under-test", 256, "lambdas.who")
    assert seen["arn"].startswith("arn:aws:lambda:us-east-1:")
    assert seen["arn"].endswith("under-test")
    assert 0 < seen["remaining"] <= 7_000
    assert seen["own"] == "value"
    assert seen["leaked"] is None


def test_a_client_context_reaches_the_function(service: MakeService) -> None:
    context = json.dumps({"custom": {"key": "value"}})
    assert told(service("lambdas.who")({}, client_context=context))["custom"] == {"key": "value"}


def test_an_exception_is_told_with_its_type_its_words_and_its_place(service: MakeService) -> None:
    invoke = service("lambdas.fail")
    error = told(invoke({}))
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "this is wrong")
    assert "lambdas.py" in error["stackTrace"][-1]
    assert told(invoke({}))["errorType"] == "ValueError"


def test_a_function_that_takes_too_long_is_ended_and_the_next_request_gets_a_new_environment(
    service: MakeService,
) -> None:
    invoke = service("lambdas.sleep", timeout_seconds=1)
    before = told(invoke({"seconds": 0}))
    assert "Task timed out after 1.00 seconds" in invoke({"seconds": 30})
    assert told(invoke({"seconds": 0}))["pid"] != before["pid"]


def test_a_process_that_ends_is_told_and_the_next_request_gets_a_new_environment(service: MakeService) -> None:
    invoke = service("lambdas.leave")
    before = told(invoke({}))
    error = told(invoke({"leave": 3}))
    assert error["errorType"] == "Runtime.ExitError"
    assert "exit status 3" in error["errorMessage"]
    assert told(invoke({}))["pid"] != before["pid"]


def test_a_module_that_cannot_be_imported_is_told(service: MakeService) -> None:
    error = told(service("broken.handler")({}))
    assert error["errorType"] == "Runtime.ImportModuleError"
    assert "a_module_that_is_not_there" in error["errorMessage"]


def test_a_handler_that_is_not_there_is_told(service: MakeService) -> None:
    error = told(service("lambdas.nobody")({}))
    assert error["errorType"] == "Runtime.HandlerNotFound"
    assert "nobody" in error["errorMessage"]


def test_an_answer_over_6_mb_is_an_error_and_one_below_is_not(service: MakeService) -> None:
    invoke = service("lambdas.large")
    error = told(invoke({"bytes": 6_291_556}))
    assert error["errorType"] == "Function.ResponseSizeTooLarge"
    assert "6291556 bytes" in error["errorMessage"]
    assert len(told(invoke({"bytes": 6_000_000}))) == 6_000_000
