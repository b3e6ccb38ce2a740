"""What stands behind the functions: the parts, native or in Docker, and LocalStack beside them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from millrace_harness.dev.failed import Failed
from millrace_harness.dev.places import Places
from millrace_harness.parts.compose import ComposeStack
from millrace_harness.parts.endpoints import Endpoints
from millrace_harness.parts.errors import PartFailed
from millrace_harness.parts.ledger import Ledger
from millrace_harness.parts.localstack import LocalStack
from millrace_harness.parts.part import Report
from millrace_harness.parts.paths import Paths
from millrace_harness.parts.processes import MARK
from millrace_harness.parts.supervisor import Stack

EMULATOR = "localstack"


class Parts(Protocol):
    """What a supervisor promises, whatever it supervises. All of it is on disk: any process may hold one."""

    ledger: Ledger

    def up(self, say: Callable[[str], None]) -> Endpoints:
        """Start what does not run."""

    def down(self) -> None:
        """Stop all of it."""

    def report(self) -> list[Report]:
        """How each part is."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What was asked for; None is whatever is there, and where nothing is, one broker and no Docker."""

    brokers: int | None = None
    compose: bool | None = None


@dataclass(frozen=True, slots=True)
class Backing:
    """All processes of one state folder."""

    parts: Parts
    emulator: LocalStack

    def report(self) -> list[Report]:
        """How each of them is."""
        return [*self.parts.report(), self.emulator.report()]

    def down(self) -> None:
        """Stop all of them, also after a supervisor that was killed."""
        self.emulator.discard()
        self.parts.down()

    def start_emulator(self, *, afresh: bool) -> None:
        """Start LocalStack and wait for it; `afresh` ends one that runs.

        Raises:
            PartFailed: it does not start; it is stopped again then.
        """
        if afresh:
            self.emulator.discard()
        if self.emulator.report().state != "running":
            # Its port of last time may be somebody else's now.
            self.parts.ledger.renew_ports([EMULATOR])
            self.emulator.start()
        try:
            self.emulator.wait()
        except PartFailed:
            self.emulator.discard()
            raise

    @property
    def marked(self) -> dict[str, str]:
        """The variable by which `down` knows processes that belong here, recorded or not."""
        return {MARK: self.parts.ledger.read().mark}

    @property
    def emulator_identity(self) -> str:
        """The LocalStack process that runs now, told from any other: number and birth."""
        process = self.parts.ledger.process(EMULATOR)
        return f"{process.pid} {process.birth}" if process else ""


def folders(places: Places) -> Paths:
    """The same places, as the supervisor of the parts knows them."""
    return Paths(places.checkout, places.state, places.cache)


def backing(places: Places, shape: Shape | None = None) -> Backing:
    """The backing of this state folder, as it is or as it is asked for.

    Raises:
        Failed: it is there and has another shape.
    """
    wanted, paths = shape or Shape(), folders(places)
    in_docker = ComposeStack(paths).ledger.read().complete
    page = Stack(paths).ledger.read()
    if wanted.compose is not None and wanted.compose != in_docker and (in_docker or page.complete):
        raise Failed(f"The parts run {'in Docker' if in_docker else 'without Docker'}: run localstack/dev down first.")
    parts: Parts
    if in_docker or wanted.compose:
        parts = ComposeStack(paths)
    else:
        brokers = wanted.brokers or (page.brokers if page.complete else 1)
        parts = Stack(paths, brokers=brokers, durable=page.durable and page.complete)
    return Backing(parts, LocalStack(EMULATOR, paths, parts.ledger))
