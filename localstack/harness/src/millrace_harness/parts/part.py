"""A part: one or more servers behind four verbs, which are start, wait, report and stop."""

import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from millrace_harness.parts.errors import PartFailed
from millrace_harness.parts.ledger import Ledger
from millrace_harness.parts.locks import locked
from millrace_harness.parts.paths import Paths
from millrace_harness.parts.ports import is_free

POLL_SECONDS = 0.03
PORT_SECONDS = 3

type State = Literal["running", "stopped", "dead"]
"""`dead` was started and ended by itself; `stopped` was never started, or was stopped through us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One process of a part: what to execute, what to add to the environment, and which port it will listen on."""

    name: str
    command: tuple[str, ...]
    port: int
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How a part is. `pid` and `port` are those of its first server; `memory_bytes` is the PSS of all of them."""

    name: str
    state: State
    pid: int | None
    pids: tuple[int, ...]
    port: int | None
    memory_bytes: int
    version: str


class Part(ABC):
    """What every part promises; each says only how its servers are started and how one sees that they answer.

    The verbs may be called from any process that knows the state folder, not only from the one that started the part.
    """

    title: ClassVar[str]
    """Its name in sentences."""
    gently: ClassVar[signal.Signals] = signal.SIGTERM
    """Ends it with its data in order."""
    abruptly: ClassVar[signal.Signals] = signal.SIGKILL
    """Ends it when its data is thrown away."""
    patience_seconds: ClassVar[float] = 60
    """Long enough for a start on a machine that is ten times too busy."""
    grace_seconds: ClassVar[float] = 10

    def __init__(self, name: str, paths: Paths, ledger: Ledger) -> None:
        self.name = name
        self.paths = paths
        self.ledger = ledger

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its servers, as they stand in the ledger; one that is named like the part, unless told."""
        return (self.name,)

    @property
    def port_names(self) -> tuple[str, ...]:
        """The names of all ports it needs, as they stand in the ledger; those of its servers, unless told."""
        return self.names

    @property
    def running(self) -> bool:
        """True while all of its servers run."""
        return all(self._runs(name) for name in self.names)

    @property
    @abstractmethod
    def version(self) -> str:
        """What runs, as its makers number it."""

    @abstractmethod
    def servers(self) -> Sequence[Server]:
        """Lay out what is not there yet (data, configuration), and say how each server is started. Repeatable."""

    @abstractmethod
    def answers(self) -> bool:
        """Ask once whether the part does its work. May raise `OSError`, which is a no."""

    def log(self, server: str | None = None) -> Path:
        """Where a server's output goes; of the first one, unless told."""
        return self.paths.logs / f"{server or self.names[0]}.log"

    def start(self) -> None:
        """Start each server that does not run; data that is there is kept. Does not wait for an answer.

        Raises:
            PartFailed: its port is taken, or it cannot be executed.
        """
        with self._alone():
            missing = [name for name in self.names if not self._runs(name)]
            servers = {server.name: server for server in self.servers()} if missing else {}
            for name in missing:
                self._launch(servers[name])

    def wait(self) -> None:
        """Return as soon as it answers.

        Raises:
            PartFailed: a server ended, or `patience_seconds` went by.
        """
        end = time.monotonic() + self.patience_seconds
        while not self._answered():
            for name in self.names:
                if not self._runs(name):
                    raise PartFailed(
                        f"{self.title} ended while it started: {self._last_words(name)}", log=self.log(name)
                    )
            if time.monotonic() > end:
                raise PartFailed(
                    f"{self.title} did not answer within {self.patience_seconds:.0f} s: "
                    "see what it says, then run `down` and `up` again.",
                    log=self.log(),
                )
            time.sleep(POLL_SECONDS)

    def report(self) -> Report:
        """Look, without disturbing it."""
        page = self.ledger.read()
        recorded = [page.processes[name] for name in self.names if name in page.processes]
        alive = [process for process in recorded if process.alive]
        state: State = "stopped" if not recorded else "running" if len(alive) == len(self.names) else "dead"
        return Report(
            name=self.name,
            state=state,
            pid=alive[0].pid if alive else None,
            pids=tuple(process.pid for process in alive),
            port=page.ports.get(self.names[0]),
            memory_bytes=sum(process.memory_bytes() for process in alive),
            version=self.version,
        )

    def stop(self) -> None:
        """End it gently and keep its data: `start` goes on from there. Nothing happens where nothing runs."""
        self._end(self.gently)

    def discard(self) -> None:
        """End it at once: its data is about to be thrown away."""
        self._end(self.abruptly)

    def _end(self, number: signal.Signals) -> None:
        with self._alone():
            processes = [(name, self.ledger.process(name)) for name in self.names]
            for _, process in processes:  # all of them first: the last of three brokers cannot end without the others
                if process:
                    process.send(number)
            for name, process in processes:
                if process:
                    process.end(grace_seconds=self.grace_seconds)
                    self.ledger.forget(name)

    def _launch(self, server: Server) -> None:
        # A killed server's last descendants may hold its port for a moment.
        end = time.monotonic() + PORT_SECONDS
        while not is_free(server.port):
            if time.monotonic() < end:
                time.sleep(POLL_SECONDS)
                continue
            raise PartFailed(
                f"{self.title} cannot listen on 127.0.0.1:{server.port}, something else does: stop that, "
                "or run `down` and `up` again, which chooses another port."
            )
        self.ledger.start(server.name, server.command, log=self.log(server.name), environment=server.environment)

    def _runs(self, name: str) -> bool:
        process = self.ledger.process(name)
        return process is not None and process.alive

    def _answered(self) -> bool:
        try:
            return self.answers()
        except OSError:
            return False

    def _last_words(self, name: str) -> str:
        log = self.log(name)
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        told = [line for line in lines if line.strip() and not line[0].isspace()]  # a stack trace is indented
        return told[-1] if told else "it said nothing."

    def _alone(self) -> AbstractContextManager[None]:
        return locked(
            self.paths.state / f"{self.name}.lock",
            patience_seconds=self.patience_seconds,
            purpose=f"starting or stopping {self.title}",
        )
