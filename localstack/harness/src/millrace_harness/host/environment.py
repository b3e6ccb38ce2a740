"""One execution environment: a runtime that is given one request at a time, and what AWS says and logs around it."""

import signal
import threading
import time
from pathlib import Path

from millrace_harness.host import errors, lines
from millrace_harness.host.errors import Gone, InitError, RequestTooLarge
from millrace_harness.host.exchange import Answered, Exited, InitFailed, Ready, Work
from millrace_harness.host.function import FunctionSpec, Invocation, Invoked
from millrace_harness.host.journal import Journal
from millrace_harness.host.runtime import Runtime

UNHANDLED = "Unhandled"
"""The only value that X-Amz-Function-Error still has (AWS Lambda API, "Invoke")."""


class Environment:
    """One process, from `start` to its end; another environment is made where this one has ended.

    Any thread may use it, one request at a time. The folders that the spec names must stay as they are.
    """

    def __init__(self, spec: FunctionSpec, *, log: Path) -> None:
        """`log` is appended to: what the function writes, and the platform's lines around it."""
        self.spec = spec
        self._journal = Journal(log)
        self._busy = threading.Lock()
        self._life = threading.Lock()
        self._runtime: Runtime | None = None
        self._init_ms: float | None = None
        self._init_owed = False
        self._frozen = False
        self._killed = False
        self._memory_mb = 0

    @property
    def pid(self) -> int:
        """Of the process, which leads a process group of the same number. Raises `Gone` before `start`."""
        if self._runtime is None:
            raise Gone
        return self._runtime.pid

    @property
    def alive(self) -> bool:
        """True while the process runs, frozen or not."""
        return self._runtime is not None and self._runtime.alive

    def start(self) -> None:
        """Run init: return when the runtime asks for its first invocation.

        AWS tries a failed init once more inside the first invocation, with the function's timeout ("Understanding the
        Lambda execution environment lifecycle"). So does `invoke` here, for a caller who goes on after the error.

        Raises:
            InitError: init failed or took longer than it may; its process is gone.
            Gone: `kill` was called.
        """
        self._init_ms = self._init(self.spec.init_timeout_seconds, phase="init")

    def invoke(self, invocation: Invocation) -> Invoked:
        """Run the function once. A frozen environment is thawed first.

        Whatever goes wrong inside is told by the answer; after a timeout or an exit the environment is not `alive`.

        Raises:
            Gone: the process had ended before; the function has not seen the invocation.
            RequestTooLarge: the same, because of the payload's size.
            RuntimeError: another thread's request is running.
        """
        if len(invocation.payload) > errors.MAX_REQUEST_BYTES:
            raise RequestTooLarge
        if not self._busy.acquire(blocking=False):
            raise RuntimeError("An environment runs one request at a time: use a Host for more.")
        try:
            return self._invoke(invocation)
        finally:
            self._busy.release()

    def freeze(self) -> None:
        """Stop its processes, as Lambda does between two invocations (SIGSTOP)."""
        self._frozen = True
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on (SIGCONT)."""
        self._frozen = False
        self._send(signal.SIGCONT)

    def kill(self) -> None:
        """End it for good, with all that it started. An invocation that runs is answered with Runtime.ExitError."""
        with self._life:
            self._killed = True
        if self._runtime is not None:
            self._runtime.end()

    def _invoke(self, invocation: Invocation) -> Invoked:
        begun = time.monotonic()
        deadline = begun + self.spec.timeout_seconds
        if self._frozen:
            self.thaw()
        if self._init_owed:
            try:
                self._init(self.spec.timeout_seconds, phase="invoke", request_id=invocation.request_id)
            except InitError as problem:
                self._journal.write(lines.start(invocation.request_id, self.spec.version))
                return self._failed(invocation, problem.payload, begun)
        if self._runtime is None:
            raise Gone
        self._journal.write(lines.start(invocation.request_id, self.spec.version))
        outcome = self._runtime.run(_work(invocation, self.spec, deadline), deadline)
        match outcome:
            case Answered(_, payload, False):
                return self._told(invocation, payload, begun, error=None, status=None)
            case Answered(_, payload):
                return self._failed(invocation, payload, begun)
            case Exited(code):
                payload = errors.exit_document(invocation.request_id, code)
                self._journal.write(lines.exited(payload))
            case None:
                payload = errors.timeout_document(invocation.request_id, self.spec.timeout_seconds)
        return self._failed(invocation, payload, begun)

    def _init(self, seconds: float, *, phase: str, request_id: str = "") -> float:
        """Start a process and wait for its first `next`; milliseconds that took. Raises `InitError`."""
        self._init_owed = False
        begun = time.monotonic()
        runtime = self._begin()
        happening = runtime.ready(seconds)
        took_ms = (time.monotonic() - begun) * 1000
        self._look_at_memory()
        match happening:
            case Ready():
                return took_ms
            case InitFailed(payload):
                status = lines.error_status(errors.kind_of(payload))
            case Exited(code):
                payload, status = errors.exit_document(request_id, code), lines.error_status(errors.EXITED)
            case None:
                payload, status = errors.timeout_document(request_id, seconds), lines.TIMEOUT
        runtime.end()
        self._init_owed = phase == "init"
        self._journal.write(lines.init_failed(took_ms, phase, status))
        raise InitError(payload, self._journal.untold())

    def _begin(self) -> Runtime:
        with self._life:  # so that `kill` ends either what is there, or what would be
            if self._killed:
                raise Gone
            try:
                self._runtime = Runtime(self.spec, log=self._journal.path)
            except OSError as problem:
                message = f"Error: {self.spec.command[0]} cannot be run: {problem.strerror}"
                raise InitError(errors.document("Runtime.InvalidEntrypoint", message), "") from problem
            return self._runtime

    def _failed(self, invocation: Invocation, payload: bytes, begun: float) -> Invoked:
        """An answer that is an error: what the service found gets a status, what the function said does not."""
        kind = errors.kind_of(payload)
        if kind == errors.TIMED_OUT and self._runtime is not None:
            self._look_at_memory()
            self._runtime.end()
            self._journal.write(lines.timed_out(invocation.request_id, self.spec.timeout_seconds))
            status: str | None = lines.TIMEOUT
        else:
            status = lines.error_status(kind) if kind.startswith(errors.BY_THE_SERVICE) else None
        return self._told(invocation, payload, begun, error=UNHANDLED, status=status)

    def _told(
        self, invocation: Invocation, payload: bytes, begun: float, *, error: str | None, status: str | None
    ) -> Invoked:
        """Write the last lines, and say it all."""
        longest_ms = self.spec.timeout_seconds * 1000
        duration_ms = min((time.monotonic() - begun) * 1000, longest_ms)
        self._look_at_memory()
        report = lines.Report(
            request_id=invocation.request_id,
            duration_ms=duration_ms,
            init_ms=self._init_ms,
            memory_mb=self.spec.memory_mb,
            memory_used_mb=self._memory_mb,
            status=status,
        )
        self._init_ms = None
        self._journal.write(lines.end(report))
        return Invoked(
            payload=payload,
            error=error,
            logs=self._journal.tell(),
            duration_ms=duration_ms,
            init_ms=report.init_ms,
            memory_used_mb=self._memory_mb,
        )

    def _look_at_memory(self) -> None:
        """A process that is gone cannot be asked: then the last figure stands."""
        if self._runtime is not None:
            self._memory_mb = self._runtime.memory_mb() or self._memory_mb

    def _send(self, number: signal.Signals) -> None:
        if self._runtime is not None:
            self._runtime.send(number)


def _work(invocation: Invocation, spec: FunctionSpec, deadline: float) -> Work:
    """The invocation in the headers of the Runtime API."""
    until = time.time() + deadline - time.monotonic()
    headers = {
        "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
        "Lambda-Runtime-Deadline-Ms": str(int(until * 1000)),
        "Lambda-Runtime-Invoked-Function-Arn": spec.arn,
        "Lambda-Runtime-Trace-Id": invocation.trace_id,
        "Lambda-Runtime-Client-Context": invocation.client_context,
        "Lambda-Runtime-Cognito-Identity": invocation.cognito_identity,
    }
    told = tuple((name, value) for name, value in headers.items() if value)
    return Work(invocation.request_id, invocation.payload, told)
