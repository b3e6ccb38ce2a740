"""Locks between processes: held by an open file, so the kernel lets go when the holder dies."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from millrace_harness.parts.errors import PartFailed

PAUSE_SECONDS = 0.05


@contextmanager
def locked(path: Path, *, patience_seconds: float, purpose: str) -> Iterator[None]:
    """Hold the lock `path` alone, among threads and processes.

    Raises:
        PartFailed: someone else held it for longer than `patience_seconds`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        _acquire(file.fileno(), path, patience_seconds, purpose)
        yield


def _acquire(descriptor: int, path: Path, patience_seconds: float, purpose: str) -> None:
    end = time.monotonic() + patience_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > end:
                raise PartFailed(
                    f"Waited {patience_seconds:.0f} s for another process that is {purpose}: "
                    f"let it finish, or stop it (`fuser {path}` names it), then try again."
                ) from None
        time.sleep(PAUSE_SECONDS)
