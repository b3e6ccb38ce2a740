"""LocalStack's executor over the Lambda host: one process an environment, no containers.

LocalStack decides how many environments there are; each executor here stands for one of them, and holds a process that
is replaced when it has ended: after a crash, a timeout or a failed init, as in AWS.
"""

import os
import shlex
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from localstack import config
from localstack.services.lambda_.invocation.lambda_models import ArchiveCode, FunctionVersion, InvocationResult
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor

from millrace_harness.host import Environment, FunctionSpec, Gone, InitError, Invocation

RUNTIME = "python3.13"
# The mark of the supervisor that started LocalStack, by which it finds every process below it.
PASSED_ON = ("MILLRACE_PARTS",)
# LocalStack's private protocol with its own init, which does not run here.
PRIVATE = ("LOCALSTACK_", "EDGE_PORT", "_AWS_XRAY_")


class ProcessExecutor(RuntimeExecutor):
    """One execution environment of one function version."""

    def __init__(self, id: str, function_version: FunctionVersion) -> None:  # noqa: A002 - LocalStack's own name
        super().__init__(id, function_version)
        self._log = Path(tempfile.gettempdir()) / "environments" / f"{id}.log"
        self._spec: FunctionSpec | None = None
        self._environment: Environment | None = None

    def start(self, env_vars: Mapping[str, object]) -> None:
        """Start a process and wait for its init, which may fail: the first invocation tries once more, as in AWS."""
        self._spec = _spec(self.function_version, env_vars)
        self._begin()

    def stop(self) -> None:
        """End the process, whatever it does."""
        if self._environment:
            self._environment.kill()
        self._log.unlink(missing_ok=True)

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        """Run one invocation to its end, in another process where the last one has ended."""
        invocation = Invocation(
            payload=payload["payload"].encode(), request_id=payload["invoke-id"], trace_id=payload.get("trace-id", "")
        )
        try:
            done = self._started.invoke(invocation)
        except Gone:  # it has ended in the invocation before, or while nobody used it
            self._begin()
            done = self._started.invoke(invocation)
        return InvocationResult(invocation.request_id, done.payload, done.error is not None, done.logs)

    def get_logs(self) -> str:
        """What the process has written."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def get_address(self) -> str:
        """Where the environment is."""
        return "127.0.0.1"

    def get_endpoint_from_executor(self) -> str:
        """Where LocalStack is, as the environment sees it."""
        return "127.0.0.1"

    def get_runtime_endpoint(self) -> str:
        """Of the private protocol, which is not spoken; LocalStack only hands it on."""
        return f"http://127.0.0.1:{config.GATEWAY_LISTEN[0].port}/_localstack_lambda/{self.id}"

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        """Unpack the function and its layers.

        Raises:
            ValueError: the function needs another runtime than is here.
        """
        settings = function_version.config
        if settings.runtime != RUNTIME:
            wanted = settings.runtime or "a container image"
            raise ValueError(f"functions run as {RUNTIME} here, and this one needs {wanted}")
        for code in (settings.code, *(layer.code for layer in settings.layers)):
            if code:
                code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version: FunctionVersion) -> None:
        """Nothing: LocalStack removes the code itself, and the next start wipes the folder."""

    @property
    def _started(self) -> Environment:
        assert self._environment is not None
        return self._environment

    def _begin(self) -> None:
        assert self._spec is not None
        self._environment = Environment(self._spec, log=self._log)
        with suppress(InitError):  # told by the invocation
            self._environment.start()


def _spec(function: FunctionVersion, variables: Mapping[str, object]) -> FunctionSpec:
    settings = function.config
    assert settings.handler is not None, "checked by LocalStack, for a function that is no image"
    given = {name: str(value) for name, value in variables.items() if not name.startswith(PRIVATE)}
    given |= {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return FunctionSpec(
        name=function.id.function_name,
        version=function.id.qualifier,
        arn=function.qualified_arn,
        handler=settings.handler,
        code=_unpacked(settings.code),
        layers=tuple(_unpacked(layer.code) for layer in settings.layers),
        command=tuple(shlex.split(os.environ["MILLRACE_RUNTIME_COMMAND"])),
        environment={"TMPDIR": tempfile.gettempdir(), **given},
        timeout_seconds=float(settings.timeout),
        memory_mb=int(settings.memory_size),
    )


def _unpacked(code: ArchiveCode | None) -> Path:
    assert code is not None, "only an image has none, and images are refused"
    return Path(code.get_unzipped_code_location())
