"""Programs from Debian packages that are unpacked, not installed: no root, no service, no account."""

import os
import re
import shutil
import tempfile
from pathlib import Path

from millrace_harness.parts.commands import run
from millrace_harness.parts.errors import PartFailed

TIMEOUT_SECONDS = 180
SANDBOX = "_apt"  # apt downloads as this account, where it is started by root


def unpack(package: str, folder: Path, *, advice: str) -> None:
    """Unpack `package`, with the libraries this machine lacks for it, into `folder`.

    apt checks each file against its signed lists. `advice` says what else a person can do.

    Raises:
        PartFailed: there is no apt, or it does not find the package.
    """
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise PartFailed(f"`{package}` is missing. {advice}")
    with tempfile.TemporaryDirectory(prefix="millrace-apt-") as downloads:
        if os.geteuid() == 0:
            shutil.chown(downloads, SANDBOX)
        names = _needed(package, advice)
        run("apt-get", "download", *names, advice=advice, timeout_seconds=TIMEOUT_SECONDS, folder=Path(downloads))
        for archive in sorted(Path(downloads).glob("*.deb")):
            run("dpkg-deb", "--extract", archive, folder, advice=advice, timeout_seconds=TIMEOUT_SECONDS)


def libraries(folder: Path) -> Path:
    """Where an unpacked program's own libraries lie, for `LD_LIBRARY_PATH`."""
    return next((folder / "usr" / "lib").glob("*-linux-gnu*"), folder / "usr" / "lib")


def _needed(package: str, advice: str) -> list[str]:
    """The package and what it needs beyond what is installed, as apt would install it."""
    try:
        return _simulate(package, advice)
    except PartFailed:
        if os.geteuid() != 0:
            raise
        # A fresh image has no package lists, and root may fetch them.
        run("apt-get", "update", advice=advice, timeout_seconds=TIMEOUT_SECONDS)
        return _simulate(package, advice)


def _simulate(package: str, advice: str) -> list[str]:
    plan = run(
        *("apt-get", "install", "--simulate", "--no-install-recommends", package),
        advice=advice,
        timeout_seconds=TIMEOUT_SECONDS,
        environment={"LC_ALL": "C"},
    )
    names = re.findall(r"^Inst (\S+)", plan, re.MULTILINE)
    if not names:
        raise PartFailed(f"apt says that `{package}` is installed, but it is not on PATH. {advice}")
    return names
