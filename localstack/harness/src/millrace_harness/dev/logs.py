"""`logs`: follow what a part or a function says."""

import sys
import time
from pathlib import Path

from millrace_harness.dev.backing import folders
from millrace_harness.dev.deployment import recorded
from millrace_harness.dev.failed import Failed
from millrace_harness.dev.function_logs import FunctionLogs
from millrace_harness.dev.places import Places

_PAUSE_SECONDS = 0.5
_LAST_BYTES = 16_384  # where following a file begins, about a screen before its end


def names(places: Places) -> dict[str, str]:
    """Every log there is: its name, and the file or log group it stands for."""
    deployment = recorded(places)
    functions = (
        {}
        if deployment is None
        else {name: f"log group {FunctionLogs(deployment).group(name)}" for name in deployment.functions}
    )
    return functions | {name: str(path) for name, path in _files(places).items()}


def follow(places: Places, name: str) -> None:
    """Print what is there and what comes, until interrupted.

    Raises:
        Failed: there is no such log.
    """
    deployment = recorded(places)
    if deployment and name in deployment.functions:
        _follow_function(FunctionLogs(deployment), name)
    path = _files(places).get(name)
    if path is None:
        raise Failed(f"There is no log {name}: there are {', '.join(names(places)) or 'none, nothing was started'}.")
    _follow_file(path)


def _files(places: Places) -> dict[str, Path]:
    both = (folders(places).logs, places.logs)
    return {path.stem: path for folder in both if folder.is_dir() for path in sorted(folder.glob("*.log"))}


def _follow_function(logs: FunctionLogs, name: str) -> None:
    since, shown = 0, set[tuple[int, str]]()
    while True:
        for at, line in logs.lines(name, since_ms=since):
            if (at, line) not in shown:
                print(line, flush=True)
                # Lines of the same millisecond are asked for again; older ones need not be remembered.
                shown = {one for one in shown if one[0] >= at} | {(at, line)}
                since = max(since, at)
        time.sleep(_PAUSE_SECONDS)


def _follow_file(path: Path) -> None:
    """Like `tail -F`: a file that is begun anew is read from its beginning."""
    position = max(0, path.stat().st_size - _LAST_BYTES)
    while True:
        size = path.stat().st_size if path.exists() else 0
        position = position if position <= size else 0
        if size > position:
            with path.open("rb") as file:
                file.seek(position)
                sys.stdout.write(file.read().decode(errors="replace"))
                position = file.tell()
            sys.stdout.flush()
        time.sleep(_PAUSE_SECONDS)
