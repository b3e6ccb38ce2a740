"""A running runtime: its process, and the Runtime API that feeds it."""

import signal
import time
from pathlib import Path

from millrace_harness.host.api import RuntimeApi
from millrace_harness.host.errors import Gone
from millrace_harness.host.exchange import Answered, Exchange, Exited, InitFailed, Ready, Taken, Work
from millrace_harness.host.function import FunctionSpec
from millrace_harness.host.process import RuntimeProcess
from millrace_harness.host.variables import variables


class Runtime:
    """One process from start to end. One thread waits on it at a time; any thread may signal it."""

    def __init__(self, spec: FunctionSpec, *, log: Path) -> None:
        """Start it. Raises `OSError` when it cannot be executed."""
        self._exchange = Exchange()
        self._api = RuntimeApi(self._exchange)
        try:
            self._process = RuntimeProcess(
                (*spec.command, spec.handler),
                folder=spec.code,
                environment=variables(spec, self._api.address, log_stream=log.stem),
                log=log,
                ended=self._ended,
            )
        except OSError:
            self._api.close()
            raise

    @property
    def pid(self) -> int:
        """Of the process, which leads a process group of the same number."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """False as soon as its end was seen."""
        return self._process.alive

    def ready(self, seconds: float) -> Ready | InitFailed | Exited | None:
        """How init ended; None when it did not within `seconds`."""
        happening = self._exchange.happened(seconds)
        assert not isinstance(happening, Taken | Answered), "an invocation before init was waited for"
        return happening

    def run(self, work: Work, deadline: float) -> Answered | Exited | None:
        """Hand over `work`, and wait for how it ends; None when it does not before `deadline` (monotonic).

        Raises:
            Gone: the process ended before it took the work.
        """
        if not self.alive:
            raise Gone  # its end was told to an invocation before this one, and is not told twice
        self._exchange.offer(work)
        taken = False
        while (happening := self._exchange.happened(deadline - time.monotonic())) is not None:
            match happening:
                case Taken(request_id):
                    taken = request_id == work.request_id
                case Answered():
                    return happening
                case Exited():
                    if not taken:
                        raise Gone
                    return happening
                case Ready() | InitFailed():  # a runtime that says more than it should
                    continue
        return None

    def send(self, number: signal.Signals) -> None:
        """Signal the process and its descendants, unless it is gone."""
        self._process.send(number)

    def end(self) -> None:
        """Kill the process and its descendants, and wait for it to be gone."""
        self._process.send(signal.SIGKILL)
        self._process.gone()

    def memory_mb(self) -> int | None:
        """The most memory the process has ever held; None when it is gone."""
        return self._process.memory_mb()

    def _ended(self, code: int) -> None:
        self._exchange.end(code)
        self._api.close()
