"""The cache of downloads: each entry is a folder that is there whole or not at all."""

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from millrace_harness.parts.locks import locked

PATIENCE_SECONDS = 900  # another checkout may be downloading the same; the slowest download seen took 86 s


class Cache:
    """One folder shared by every checkout of the account."""

    def __init__(self, root: Path, say: Callable[[str], None]) -> None:
        self.root = root
        self._say = say

    def entry(self, name: str, make: Callable[[Path], None], *, what: str) -> Path:
        """The folder `name`, made by `make` where it is missing: in a draft beside it, under a lock, then renamed.

        `what` names it for people. Raises whatever `make` raises, and leaves nothing then.
        """
        entry = self.root / name
        if entry.exists():
            return entry
        with locked(self.root / f"{name}.lock", patience_seconds=PATIENCE_SECONDS, purpose=f"fetching {what}"):
            if not entry.exists():
                self._make(entry, make, what)
        return entry

    def _make(self, entry: Path, make: Callable[[Path], None], what: str) -> None:
        begun = time.monotonic()
        for abandoned in self.root.glob(f"{entry.name}.draft-*"):  # of a process that was killed: we hold its lock
            shutil.rmtree(abandoned)
        draft = Path(tempfile.mkdtemp(prefix=f"{entry.name}.draft-", dir=self.root))
        try:
            draft.chmod(0o755)  # servers run as another account, and read this
            make(draft)
            draft.rename(entry)
        except BaseException:
            shutil.rmtree(draft)
            raise
        self._say(f"{what} fetched in {time.monotonic() - begun:.1f} s")
