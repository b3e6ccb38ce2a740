"""Make Kafka's class archive: `python -m millrace_harness.parts.archive CHECKOUT STATE CACHE`.

It takes 7 s of processor time and saves half of every later start, so a supervisor runs it beside its first stack, at
the lowest priority, as one more recorded process.
"""

import os
import sys
from pathlib import Path
from typing import ClassVar

from millrace_harness.parts import java
from millrace_harness.parts.kafka import Kafka
from millrace_harness.parts.ledger import Ledger
from millrace_harness.parts.locks import locked
from millrace_harness.parts.maven import MavenParts
from millrace_harness.parts.paths import Paths

MAKER, REHEARSAL = "archive", "rehearsal"
"""The two processes, as they stand in the ledger."""
LOWEST_PRIORITY = 19
PATIENCE_SECONDS = 1  # whoever else holds the lock is making the same archive


class Rehearsal(Kafka):
    """A broker that writes down which classes it loaded, when it ends."""

    title: ClassVar[str] = "Kafka's rehearsal"
    patience_seconds: ClassVar[float] = 300  # at the lowest priority
    grace_seconds: ClassVar[float] = 300

    def _options(self, archive: Path) -> tuple[str, ...]:
        return (f"-XX:ArchiveClassesAtExit={draft_of(archive)}",)


def draft_of(archive: Path) -> Path:
    """Where it is written before it is whole."""
    return archive.with_suffix(".draft")


def make(paths: Paths) -> None:
    """Start a throw-away broker, wait until it answers, end it, and put the archive in place.

    Raises:
        PartFailed: another supervisor is making it now, or the broker does not come up.
    """
    archive = java.archive(MavenParts(paths))
    with locked(archive.with_suffix(".lock"), patience_seconds=PATIENCE_SECONDS, purpose="making the class archive"):
        if archive.exists():
            return
        broker = Rehearsal(REHEARSAL, paths, Ledger(paths.state), brokers=1)
        broker.start()
        try:
            broker.wait()
        finally:
            broker.stop()
        draft_of(archive).rename(archive)


if __name__ == "__main__":
    os.nice(LOWEST_PRIORITY)
    checkout, state, cache = map(Path, sys.argv[1:])
    make(Paths(checkout, state, cache))
