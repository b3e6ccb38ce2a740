"""What a supervisor remembers on disk, so that another process, or the next run, can take over."""

import json
import os
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from millrace_harness.parts.errors import PartFailed
from millrace_harness.parts.locks import locked
from millrace_harness.parts.ports import free_port, is_free
from millrace_harness.parts.processes import MARK, Process, spawn

LOCK_SECONDS = 20  # an entry takes a millisecond; a start under the lock takes tens of them


@dataclass(slots=True)
class Page:
    """The ledger's content. `mark` and `password` are made once for a state folder and kept over `down`."""

    mark: str = field(default_factory=lambda: secrets.token_hex(16))
    password: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    complete: bool = False
    brokers: int = 1
    durable: bool = False
    ports: dict[str, int] = field(default_factory=dict)
    processes: dict[str, Process] = field(default_factory=dict)


class Ledger:
    """The ledger of one state folder: ports, processes, the password. Safe among threads and processes."""

    def __init__(self, state: Path) -> None:
        self.file = state / "parts.json"
        self._closed = threading.Event()

    def read(self) -> Page:
        """What is written now; a fresh page where nothing is.

        Raises:
            PartFailed: another version of this program wrote it.
        """
        try:
            document = json.loads(self.file.read_text())
            processes = {name: Process(**process) for name, process in document.pop("processes").items()}
            return Page(**document, processes=processes)
        except FileNotFoundError:
            return Page()
        except (ValueError, KeyError, TypeError) as problem:
            raise PartFailed(
                f"{self.file} was written by another version: run that one's `down`, then remove the folder."
            ) from problem

    @contextmanager
    def page(self) -> Iterator[Page]:
        """Read, change, write back: one at a time, and whole or not at all."""
        with locked(self.file.with_suffix(".lock"), patience_seconds=LOCK_SECONDS, purpose="writing to the ledger"):
            page = self.read()
            yield page
            self._write(asdict(page))

    def port(self, name: str) -> int:
        """The port of the server `name`: the remembered one, or a free one that is remembered from now on."""
        known = self.read().ports.get(name)
        if known is not None:
            return known
        with self.page() as page:
            return page.ports.setdefault(name, free_port(set(page.ports.values())))

    def renew_ports(self, names: Sequence[str]) -> None:
        """Before a clean start: keep each remembered port that is free, choose another for each that is taken."""
        with self.page() as page:
            for name in names:
                if name not in page.ports or not is_free(page.ports[name]):
                    page.ports[name] = free_port(set(page.ports.values()))

    def process(self, name: str) -> Process | None:
        """The recorded process of the server `name`, dead or alive."""
        return self.read().processes.get(name)

    def start(self, name: str, command: Sequence[str], *, log: Path, environment: Mapping[str, str]) -> Process:
        """Start a process and record it, in one step for anybody who looks.

        `environment` is added to this process' own. A supervisor that is killed between the two leaves a process that
        carries its mark, which `strays` finds.

        Raises:
            PartFailed: the ledger is closed, or the command cannot be executed.
        """
        with self.page() as page:
            if self._closed.is_set():
                raise PartFailed(f"{name} is not started: the supervisor is ending because another part failed.")
            marked = {**os.environ, **environment, MARK: page.mark}
            try:
                process = spawn(command, log=log, environment=marked)
            except OSError as problem:
                raise PartFailed(f"{command[0]} cannot be executed ({problem.strerror}): is it installed?") from problem
            page.processes[name] = process
        return process

    def forget(self, name: str) -> None:
        """Remove a process from the record, because it was stopped."""
        with self.page() as page:
            page.processes.pop(name, None)

    def close(self) -> None:
        """Start nothing any more through this object: what follows is a tear-down."""
        self._closed.set()

    def open(self) -> None:
        """Start processes again."""
        self._closed.clear()

    def _write(self, document: dict[str, Any]) -> None:
        draft = self.file.with_suffix(".draft")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(document, file, indent=1)
        draft.replace(self.file)
