"""Short commands, run to their end."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from millrace_harness.parts.errors import PartFailed

LAST_LINES = 3


def run(
    *command: str | Path,
    advice: str,
    timeout_seconds: float,
    folder: Path = Path("/"),
    environment: Mapping[str, str] | None = None,
    text: str | None = None,
) -> str:
    """Run `command` with `text` as its input and `environment` added to this process' own; give its output.

    Raises:
        PartFailed: it is missing, takes longer than `timeout_seconds`, or fails. The sentence ends with `advice`.
    """
    shown = Path(command[0]).name
    if shutil.which(command[0]) is None:
        raise PartFailed(f"`{shown}` is missing. {advice}")
    try:
        done = subprocess.run(
            [*_ends_with_us(), *map(str, command)],
            input=text or "",
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_seconds,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise PartFailed(f"`{shown}` did not end within {timeout_seconds:.0f} s. {advice}") from None
    if done.returncode:
        last = " | ".join((done.stdout + done.stderr).strip().splitlines()[-LAST_LINES:])
        raise PartFailed(f"`{shown}` failed with {done.returncode} ({last}). {advice}")
    return done.stdout


def _ends_with_us() -> list[str]:
    """Let the kernel kill the command when this thread is killed: nobody then waits for what it does."""
    return ["setpriv", "--pdeathsig=KILL", "--"] if shutil.which("setpriv") else []
