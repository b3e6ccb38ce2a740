"""The environments of one function: as many as are busy at once, up to a limit."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from millrace_harness.host.environment import Environment
from millrace_harness.host.errors import MAX_REQUEST_BYTES, Closed, Gone, InitError, RequestTooLarge, Throttled
from millrace_harness.host.function import FunctionSpec, Invocation, Invoked


class Host:
    """Invokes one function, from any number of threads.

    An idle environment is used again, the latest first; where none is idle another one is started, until `limit` exist.
    One that has ended or timed out is replaced by the next invocation that needs it.
    """

    def __init__(self, spec: FunctionSpec, *, limit: int, log_folder: Path, ready: int = 0) -> None:
        """`ready` environments are started at once, and waited for (provisioned concurrency).

        Raises:
            InitError: one of them did not become ready.
            ValueError: `limit` is below 1, or `ready` is above it.
        """
        if not 0 <= ready <= limit or limit < 1:
            raise ValueError(f"limit must be at least 1, and ready between 0 and it: not {limit} and {ready}.")
        self.spec = spec
        self._limit, self._logs = limit, log_folder
        self._lock = threading.Lock()
        self._idle: list[Environment] = []
        self._all: set[Environment] = set()
        self._count = self._numbered = 0
        self._closed = False
        self._prepare(ready)

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes there are now."""
        with self._lock:
            return tuple(environment.pid for environment in self._all if environment.alive)

    def invoke(
        self, payload: bytes, *, request_id: str | None = None, trace_id: str = "", client_context: str | None = None
    ) -> Invoked:
        """Run the function once, and wait for it.

        Raises:
            Throttled: `limit` requests are running.
            RequestTooLarge: the payload is over 6 MB.
            Closed: after `close`.
        """
        if len(payload) > MAX_REQUEST_BYTES:
            raise RequestTooLarge
        invocation = Invocation(
            payload=payload,
            request_id=request_id or str(uuid.uuid4()),
            trace_id=trace_id,
            client_context=client_context,
        )
        self._reserve()
        try:
            return self._run(invocation)
        finally:
            with self._lock:
                self._count -= 1

    def close(self) -> None:
        """End every environment; requests that run are answered with Runtime.ExitError."""
        with self._lock:
            self._closed = True
            environments = list(self._all)
            self._all.clear()
            self._idle.clear()
        for environment in environments:
            environment.kill()

    def _prepare(self, ready: int) -> None:
        if not ready:
            return
        with ThreadPoolExecutor(ready) as starters:
            starts = [starters.submit(self._ready_environment) for _ in range(ready)]
        try:
            self._idle = [start.result() for start in starts]
        except InitError:
            self.close()
            raise

    def _ready_environment(self) -> Environment:
        environment = self._make()
        environment.start()
        return environment

    def _reserve(self) -> None:
        with self._lock:
            if self._closed:
                raise Closed
            if self._count >= self._limit:
                raise Throttled(f"All {self._limit} environments of {self.spec.name} are busy: try again.")
            self._count += 1

    def _run(self, invocation: Invocation) -> Invoked:
        while True:
            environment = self._take()
            try:
                return environment.invoke(invocation)
            except Gone:  # it ended while it was idle, or was killed with the host
                if self._closed:
                    raise Closed from None
            finally:
                self._give_back(environment)

    def _take(self) -> Environment:
        """An environment that nobody else uses: an idle one, else a new one."""
        while True:
            with self._lock:
                if not self._idle:
                    break
                environment = self._idle.pop()
            if environment.alive:
                return environment
            self._forget(environment)
        environment = self._make()
        with suppress(InitError):  # tried again by its first invocation, as AWS does
            environment.start()
        return environment

    def _make(self) -> Environment:
        with self._lock:
            if self._closed:
                raise Closed
            self._numbered += 1
            environment = Environment(self.spec, log=self._logs / f"{self.spec.name}-{self._numbered:04}.log")
            self._all.add(environment)
            return environment

    def _give_back(self, environment: Environment) -> None:
        if environment.alive:
            with self._lock:
                if not self._closed:
                    self._idle.append(environment)
                    return
        self._forget(environment)

    def _forget(self, environment: Environment) -> None:
        environment.kill()
        with self._lock:
            self._all.discard(environment)
