"""`check` and `fix`: format, lint, types, import contracts, generated files."""

import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from millrace_harness.dev.failed import Failed
from millrace_harness.dev.places import Places

# mypy took 40 s here without its cache, beside other work.
_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Checked:
    """One check: what it printed, whether it is content, and its seconds."""

    name: str
    passed: bool
    said: str
    seconds: float


def check(places: Places) -> list[Checked]:
    """Every check, also when one of them fails; two at a time. Writes nothing but caches."""
    caches = places.home / "checks"
    commands = {
        "types": ["-m", "mypy", "--cache-dir", str(caches / "mypy")],
        # In the environment that has LocalStack, and with settings of its own.
        "plugin types": [
            *("-m", "mypy", "--cache-dir", str(caches / "mypy-plugin")),
            *("--config-file", "localstack/plugin/pyproject.toml"),
            *("--python-executable", str(places.python("localstack"))),
        ],
        "format": ["-m", "ruff", "format", "--check", "--cache-dir", str(caches / "ruff"), "."],
        "lint": ["-m", "ruff", "check", "--cache-dir", str(caches / "ruff"), "."],
        "documents": ["-c", _OPENAPI],
        "imports": ["-c", _LINT_IMPORTS, "--cache-dir", str(caches / "imports")],
    }
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda item: _run(places, *item), commands.items()))


def fix(places: Places) -> list[Checked]:
    """Write what is generated, format, and mend what the linter can mend without changing what code does."""
    return [
        _run(places, "documents", ["-c", _OPENAPI, "--write"]),
        _run(places, "lint", ["-m", "ruff", "check", "--fix", "--no-cache", "."]),
        _run(places, "format", ["-m", "ruff", "format", "--no-cache", "."]),
    ]


# import-linter has a script but no module to run; a script's first line would break in a checkout that was moved.
_LINT_IMPORTS = "from importlinter.cli import lint_imports_command; lint_imports_command()"

# The checkout is not on the path by itself: PYTHONSAFEPATH keeps it out.
_OPENAPI = "import sys; sys.path.insert(0, '.'); from functions.openapi import main; main()"


def _run(places: Places, name: str, arguments: Sequence[str]) -> Checked:
    started = time.monotonic()
    try:
        done = subprocess.run(
            [str(places.python("tests")), *arguments],
            cwd=places.checkout,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise Failed(f"The check {name} could not be run ({problem}): run localstack/dev doctor.") from problem
    said = f"{done.stdout}{done.stderr}".strip()
    return Checked(name, done.returncode == 0, said, time.monotonic() - started)
