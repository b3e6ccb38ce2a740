"""Where one supervisor keeps its things."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class Paths:
    """The three folders a supervisor knows.

    `checkout` is read only. `state` belongs to one supervisor (`.millrace/up`, `.millrace/test`): two supervisors are
    two state folders. `cache` holds downloads, is shared by every checkout of the account, and may be removed when
    nothing runs.
    """

    checkout: Path
    state: Path
    cache: Path

    @classmethod
    def of(cls, checkout: Path, state: str | Path = "up", environment: Mapping[str, str] = os.environ) -> Self:
        """The usual folders of a checkout: `state` is a name under `.millrace`, or a path of its own."""
        return cls(checkout, checkout / ".millrace" / state, default_cache(environment))

    @property
    def data(self) -> Path:
        """What the parts store; removed with every `down`."""
        return self.state / "data"

    @property
    def logs(self) -> Path:
        """One file a process; kept over `down`, begun anew by the next clean `up`."""
        return self.state / "logs"


def default_cache(environment: Mapping[str, str] = os.environ) -> Path:
    """`$MILLRACE_CACHE`, else `millrace` in the account's cache folder (XDG base directories)."""
    if chosen := environment.get("MILLRACE_CACHE"):
        return Path(chosen).absolute()
    caches = environment.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "millrace"
