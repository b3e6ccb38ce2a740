"""PostgreSQL and PgBouncer refuse to run as root: as root they are handed to another account."""

import functools
import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from millrace_harness.parts.errors import PartFailed

CANDIDATES = ("postgres", "nobody")
CAPABILITY = "dac_read_search"  # walk into and read any folder, write nothing: capabilities(7)
PROBE_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Account:
    """The account such a server runs as.

    A checkout or a cache may lie under a folder that only root may enter. Where the machine allows it, the account
    therefore keeps one capability of root's, to look into such folders; it can write only what it owns.
    """

    name: str
    uid: int
    gid: int
    looks_anywhere: bool

    @classmethod
    def current(cls) -> Self | None:
        """The account to hand servers to; None when this process is not root, so they just run as it.

        Raises:
            PartFailed: this is root, and there is no other account.
        """
        if os.geteuid() != 0:
            return None
        known = {entry.pw_name: entry for entry in pwd.getpwall()}
        entry = next((known[name] for name in CANDIDATES if name in known), None)
        if entry is None:
            raise PartFailed("PostgreSQL does not run as root: add an account named `postgres`, or run this as a user.")
        return cls(entry.pw_name, entry.pw_uid, entry.pw_gid, _may_look_anywhere(entry.pw_uid, entry.pw_gid))

    def command(self, *command: str | Path) -> tuple[str, ...]:
        """`command`, run by this account."""
        return (*_prefix(self.uid, self.gid, self.looks_anywhere), *map(str, command))

    def own(self, *paths: Path) -> None:
        """Give files or folders to the account, without what is in them."""
        for path in paths:
            os.chown(path, self.uid, self.gid)

    def require_reach(self, *paths: Path) -> None:
        """Check that the account can walk to each path.

        Raises:
            PartFailed: a folder on the way admits only its owner, and the account has no capability to help it.
        """
        if self.looks_anywhere:
            return
        for folder in _on_the_way(paths):
            status = folder.stat()
            if not status.st_mode & stat.S_IXOTH and status.st_uid != self.uid:
                raise PartFailed(
                    f"The account `{self.name}`, which PostgreSQL runs as, may not enter {folder}: "
                    f"`chmod o+x {folder}`, or move the checkout and MILLRACE_CACHE elsewhere, or run this as a user."
                )


def as_account(account: Account | None, *command: str | Path) -> tuple[str, ...]:
    """`command` under `account`, or as it is where there is none."""
    return account.command(*command) if account else tuple(map(str, command))


def _prefix(uid: int, gid: int, looks_anywhere: bool) -> list[str]:
    if shutil.which("setpriv") is None:
        raise PartFailed("`setpriv` is missing, which starts PostgreSQL as another account: install util-linux.")
    drop = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups"]
    if not looks_anywhere:
        return [*drop, "--"]
    kept = [f"--inh-caps=-all,+{CAPABILITY}", f"--ambient-caps=-all,+{CAPABILITY}"]
    # Without this access(2), by which initdb looks for its programs, ignores the capabilities of anybody but root.
    return [*drop, "--securebits=+no_setuid_fixup", *kept, "--"]


@functools.cache
def _may_look_anywhere(uid: int, gid: int) -> bool:
    """Tried, not derived: a container may have taken the capability from root."""
    probe = [*_prefix(uid, gid, True), "true"]
    return subprocess.run(probe, capture_output=True, timeout=PROBE_SECONDS, check=False).returncode == 0


def _on_the_way(paths: Iterable[Path]) -> Iterable[Path]:
    return {folder: None for path in paths for folder in reversed(path.parents)}
