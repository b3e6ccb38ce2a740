"""Running other programs: bounded, logged, and answered for in one sentence. Only the standard library."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from millrace_harness.dev.failed import Failed

# What only shows that a line is decoration: the sentence of a failure is taken from the last line that says something.
_RULES = frozenset("-=*─═ \t")
_LONGEST = 400  # CloudFormation can say a page in one line; the log has all of it


def run(
    command: Sequence[str | Path],
    *,
    what: str,
    log: Path,
    seconds: float,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> str:
    """Run `command` to its end and give what it wrote; all of it is kept in `log`.

    `environment` is added to this process' own. `what` names the step in the sentence of a failure.

    Raises:
        Failed: it cannot be executed, took longer than `seconds`, or ended with anything but 0.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        try:
            done = subprocess.run(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                cwd=folder,
                timeout=seconds,
                check=False,
            )
        except OSError as problem:
            raise Failed(f"{what}: {command[0]} cannot be executed ({problem.strerror}).", log=log) from problem
        except subprocess.TimeoutExpired:
            raise Failed(f"{what}: not done after {seconds:.0f} s, so it was stopped.", log=log) from None
    said = log.read_text(errors="replace")
    if done.returncode:
        raise Failed(f"{what} failed: {last_words(said)}", log=log)
    return said


def last_words(said: str) -> str:
    """The last line that says something, for a sentence."""
    lines = (line.strip() for line in reversed(said.splitlines()))
    words = next((line for line in lines if line and not _RULES.issuperset(line)), "it said nothing")
    short = words if len(words) <= _LONGEST else f"{words[:_LONGEST]} …"
    return short if short.endswith(".") else f"{short}."
