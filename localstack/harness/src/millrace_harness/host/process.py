"""The process of an environment: started in a session of its own, and ended with all that it started."""

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

KIBIBYTES_PER_MB = 1024
GONE_SECONDS = 5.0  # a killed process is gone in milliseconds; one that waits for a broken disk may never be


class RuntimeProcess:
    """One child and its process group.

    A thread of its own starts the child and waits for it. Linux counts that thread as the parent, so with
    `setpriv --pdeathsig` (util-linux) the child is killed when this process is, even one that is stopped or busy;
    where that program is missing, a runtime still ends when it finds its Runtime API closed.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        log: Path,
        ended: Callable[[int], None],
    ) -> None:
        """Start it, output appended to `log`; `ended` is called with its exit status or minus a signal's number.

        Raises:
            OSError: it cannot be executed.
        """
        self._command = (*_bound_to_parent(), *command)
        self._folder, self._environment, self._log, self._ended = folder, environment, log, ended
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._problem: OSError | None = None
        self._reaped = False
        self._over = threading.Event()
        started = threading.Event()
        threading.Thread(target=self._keep, args=(started,), name="lambda-environment", daemon=True).start()
        started.wait()
        if self._problem is not None:
            raise self._problem

    @property
    def pid(self) -> int:
        """Its number, which is that of its process group too."""
        assert self._child is not None
        return self._child.pid

    @property
    def alive(self) -> bool:
        """False as soon as its end was seen."""
        return not self._reaped

    def send(self, number: signal.Signals) -> None:
        """Signal it and its descendants, unless it is gone."""
        with self._lock:
            # Until it is reaped, nobody else can be given its number.
            if not self._reaped:
                with suppress(ProcessLookupError):
                    os.killpg(self.pid, number)

    def gone(self) -> bool:
        """Wait until its end was seen, at most `GONE_SECONDS`; False when it was not."""
        return self._over.wait(GONE_SECONDS)

    def memory_mb(self) -> int | None:
        """The most memory it has ever held (VmHWM), rounded up; None when it is gone."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_bytes()
        except OSError:
            return None
        _, found, rest = status.partition(b"VmHWM:")
        return -(-int(rest.split(maxsplit=1)[0]) // KIBIBYTES_PER_MB) if found else None

    def _keep(self, started: threading.Event) -> None:
        try:
            self._child = self._spawn()
        except OSError as problem:
            self._problem = problem
            return
        finally:
            started.set()
        with suppress(ChildProcessError):  # somebody in this process reaps every child: then `wait` below answers 0
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        self.send(signal.SIGKILL)  # what it has left behind
        with self._lock:
            code = self._child.wait()
            self._reaped = True
        self._over.set()
        self._ended(code)

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as output:
            return subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=dict(self._environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )


def _bound_to_parent() -> tuple[str, ...]:
    program = shutil.which("setpriv")
    return (program, "--pdeathsig", "KILL", "--") if program else ()
