"""Processes that outlive whoever started them: known by number and birth, signalled only where both still match.

Linux only: births come from `/proc`, and signals go through a pidfd, so that a number given to somebody else between
the look and the signal is never hit (`man 2 pidfd_open`).
"""

import functools
import os
import select
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

MARK = "MILLRACE_PARTS"
"""The environment variable by which a supervisor knows the processes it started, and their descendants."""

STATE, BIRTH = (
    0,
    19,
)  # in /proc/<pid>/stat after the name: field 3 (state) and field 22 (start time in ticks since boot)

_children: dict[int, subprocess.Popen[bytes]] = {}
"""Children of this very process: they stay zombies until they are polled."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process: its number, and the birth that tells it from a later holder of the same number."""

    pid: int
    birth: str

    @property
    def alive(self) -> bool:
        """True while it runs. A zombie does not, and neither does a stranger that was given the number since."""
        _reap(self.pid)
        return _birth(self.pid) == self.birth

    def send(self, number: signal.Signals) -> bool:
        """Signal it, and only it; False when it is gone."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            # Read after the open: when the birth matches now, the descriptor cannot mean anybody else.
            if not self.alive:
                return False
            signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(descriptor)
        return True

    def gone_within(self, seconds: float) -> bool:
        """Wait for its end, at most `seconds`; it need not be a child."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            if self.alive:
                poll = select.poll()
                poll.register(descriptor, select.POLLIN)
                poll.poll(seconds * 1000)
        finally:
            os.close(descriptor)
        return not self.alive

    def stop(self, number: signal.Signals, *, grace_seconds: float) -> None:
        """Ask with `number`, wait for `grace_seconds`, then kill. Gone when this returns, or was never ours."""
        self.send(number)
        self.end(grace_seconds=grace_seconds)

    def end(self, *, grace_seconds: float) -> None:
        """Wait for `grace_seconds`, because it was asked already, then kill."""
        if not self.gone_within(grace_seconds):
            self.send(signal.SIGKILL)
            self.gone_within(grace_seconds)

    def memory_bytes(self) -> int:
        """Its proportional share of memory (PSS) and that of all below it; 0 when it is gone."""
        if not self.alive:
            return 0
        try:
            root = psutil.Process(self.pid)
            return sum(_pss(process) for process in [root, *root.children(recursive=True)])
        except psutil.NoSuchProcess:
            return 0


def spawn(command: Sequence[str], *, log: Path, environment: Mapping[str, str]) -> Process:
    """Start `command` in a session of its own, with no input, all output appended to `log`.

    It is not ended with this process. Raises `FileNotFoundError` or `PermissionError` where it cannot be executed.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        child = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env=dict(environment),
            start_new_session=True,
        )
    _children[child.pid] = child
    # A child that has ended by now is a zombie that still has its entry: there always is a birth to read.
    return Process(child.pid, _stat(child.pid)[1])


def strays(mark: str) -> list[Process]:
    """Every process of this machine that carries `mark` as its `MILLRACE_PARTS`: ours, recorded or not."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            pid = int(folder.name)
            birth = _birth(pid)
            if birth and wanted in _environment(pid):
                found.append(Process(pid, birth))
    return found


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # gone, or somebody else's: not ours either way
        return []


def _reap(pid: int) -> None:
    child = _children.get(pid)
    if child is not None and child.poll() is not None:
        _children.pop(pid, None)


def _birth(pid: int) -> str | None:
    try:
        state, birth = _stat(pid)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in "ZX" else birth


def _stat(pid: int) -> tuple[str, str]:
    """State and birth. The name before them is in brackets and may hold anything, so fields count from the last one."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return fields[STATE], f"{fields[BIRTH]}@{_boot()}"


@functools.cache
def _boot() -> str:
    """Ticks start again with the machine, so a birth names the boot it counts from."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _pss(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0
