"""One at a time among processes of one checkout. Only the standard library: it guards the first install."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from millrace_harness.dev.failed import Failed

_PAUSE_SECONDS = 0.1


@contextmanager
def alone(path: Path, *, purpose: str, patience_seconds: float) -> Iterator[None]:
    """Hold the lock `path`. The kernel lets go of it when its holder ends, however it ends.

    Raises:
        Failed: somebody held it for longer than `patience_seconds`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        end = time.monotonic() + patience_seconds
        while not _taken(file.fileno()):
            if time.monotonic() > end:
                raise Failed(
                    f"Another localstack/dev has been {purpose} for {patience_seconds:.0f} s: let it end, or stop it."
                )
            time.sleep(_PAUSE_SECONDS)
        yield


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
