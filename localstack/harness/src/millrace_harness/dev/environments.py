"""The Python environments and the CDK command line: each is installed from its lock, once, and stamped with it.

Only the standard library: the first environment is made by a bare Python.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from millrace_harness.dev.commands import run
from millrace_harness.dev.failed import Failed
from millrace_harness.dev.locks import alone
from millrace_harness.dev.places import Places

# The largest environment took 55 s here with an empty cache; ten minutes is a slow line.
INSTALL_SECONDS = 600
STAMP = "millrace-stamp"


@dataclass(frozen=True, slots=True)
class Environment:
    """One environment: `lock` lists every package with its hashes, `editable` are our own that lie beside it."""

    name: str
    lock: str
    editable: tuple[str, ...] = ()


LOCALSTACK = Environment("localstack", "localstack/requirements.txt", ("localstack/harness", "localstack/plugin"))
RUNTIME = Environment("runtime", "localstack/harness/runtime/requirements.txt")
CDK = Environment("cdk", "cdk/requirements.txt")
TESTS = Environment("tests", "tests/requirements.txt", ("localstack/harness",))
ENVIRONMENTS = (LOCALSTACK, RUNTIME, CDK, TESTS)


def is_installed(places: Places, environment: Environment) -> bool:
    """Whether the environment is whole, was made from the lock as it is now, and has not been moved."""
    stamp = places.venv(environment.name) / STAMP
    # The interpreter is a link: what it points to may have been uninstalled.
    whole = places.python(environment.name).exists() and stamp.exists()
    return whole and stamp.read_text() == stamp_of(places, environment)


def install(places: Places, environment: Environment) -> None:
    """Make the environment what its lock says. Quick where it is; an interrupted install is done again.

    Raises:
        Failed: a package cannot be had or does not match its hash, or somebody else's install does not end.
    """
    if is_installed(places, environment):
        return
    lock = places.home / f"install-{environment.name}.lock"
    with alone(lock, patience_seconds=INSTALL_SECONDS, purpose=f"installing the environment {environment.name}"):
        if not is_installed(places, environment):
            _install(places, environment)


def has_cdk_command(places: Places) -> bool:
    """Whether the pinned `cdk` command line is there, as its lock is now."""
    stamp = places.node / STAMP
    return stamp.exists() and stamp.read_text() == _cdk_stamp(places)


def install_cdk_command(places: Places) -> None:
    """Install the pinned `cdk` command line from its lock; quick where it is.

    Raises:
        Failed: npm cannot get it, or somebody else's install does not end.
    """
    with alone(places.home / "install-node.lock", patience_seconds=INSTALL_SECONDS, purpose="installing the CDK"):
        if has_cdk_command(places):
            return
        places.node.mkdir(parents=True, exist_ok=True)
        stamp = places.node / STAMP
        stamp.unlink(missing_ok=True)
        for source in _cdk_sources(places):
            shutil.copyfile(source, places.node / source.name)
        command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        what, log = "Installing the CDK command line", places.home / "install-node.log"
        run(command, what=what, log=log, seconds=INSTALL_SECONDS, folder=places.node)
        stamp.write_text(_cdk_stamp(places))


def _install(places: Places, environment: Environment) -> None:
    folder, log = places.venv(environment.name), places.home / f"install-{environment.name}.log"
    stamp = folder / STAMP
    moved = stamp.exists() and stamp.read_text().splitlines()[:1] != [str(folder)]
    stamp.unlink(missing_ok=True)
    what = f"Installing the environment {environment.name}"
    if moved or not _runs(folder / "bin" / "python"):
        make: list[str | Path] = [places.uv, "venv", "--quiet", "--clear", "--python", _python(), folder]
        run(make, what=what, log=log, seconds=INSTALL_SECONDS)
    target: list[str | Path] = ["--python", folder / "bin" / "python"]
    sync: list[str | Path] = [places.uv, "pip", "sync", *target, "--require-hashes", places.checkout / environment.lock]
    run(sync, what=what, log=log, seconds=INSTALL_SECONDS)
    if environment.editable:
        ours = [word for package in environment.editable for word in ("--editable", places.checkout / package)]
        link: list[str | Path] = [places.uv, "pip", "install", *target, "--no-deps", *ours]
        run(link, what=what, log=log, seconds=INSTALL_SECONDS)
    stamp.write_text(stamp_of(places, environment))


def stamp_of(places: Places, environment: Environment) -> str:
    """What the stamp of a whole environment says: where it was made, and of what."""
    inputs = [places.checkout / environment.lock]
    inputs += [places.checkout / package / "pyproject.toml" for package in environment.editable]
    return f"{places.venv(environment.name)}\n{_digest(path.read_bytes() for path in inputs)}\n"


def _cdk_sources(places: Places) -> list[Path]:
    return [places.checkout / "cdk" / name for name in ("package.json", "package-lock.json", ".npmrc")]


def _cdk_stamp(places: Places) -> str:
    return _digest(source.read_bytes() for source in _cdk_sources(places))


def _digest(parts: Iterable[bytes]) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8) + part)
    return whole.hexdigest()


def _python() -> str:
    """The interpreter under the one that runs this: an environment over an environment would go with it."""
    if sys.version_info[:2] != (3, 13):
        raise Failed("Python 3.13 is needed: set MILLRACE_PYTHON to one.")
    return os.path.realpath(sys.executable)


def _runs(python: Path) -> bool:
    try:
        answer = subprocess.run([python, "-c", "import encodings"], capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0
