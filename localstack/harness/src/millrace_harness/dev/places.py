"""Where things stand in a checkout. Only the standard library: this is read before anything is installed."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_CHECKOUT = Path(__file__).resolve().parents[5]  # localstack/harness/src/millrace_harness/dev/places.py


@dataclass(frozen=True, slots=True)
class Places:
    """The folders of one checkout and one state: two states are two stacks that do not see each other."""

    checkout: Path
    state: Path
    cache: Path

    @classmethod
    def find(cls, environment: Mapping[str, str] | None = None, *, state: str = "up") -> Self:
        """The checkout this file is in. `$MILLRACE_STATE` is the state folder, else `.millrace/<state>`."""
        known = os.environ if environment is None else environment
        chosen = known.get("MILLRACE_STATE")
        folder = Path(chosen).absolute() if chosen else _CHECKOUT / ".millrace" / state
        return cls(_CHECKOUT, folder, _cache(known))

    @property
    def home(self) -> Path:
        """What belongs to the checkout and to no state: environments, the CDK command line, zips of functions."""
        return self.checkout / ".millrace"

    @property
    def uv(self) -> Path:
        """The installer that `localstack/dev` has put there."""
        return self.home / "bootstrap" / "bin" / "uv"

    @property
    def node(self) -> Path:
        """Where the pinned CDK command line is installed."""
        return self.home / "node"

    def venv(self, name: str) -> Path:
        """The Python environment `name`."""
        return self.home / "venvs" / name

    def python(self, name: str) -> Path:
        """The interpreter of the environment `name`."""
        return self.venv(name) / "bin" / "python"

    @property
    def logs(self) -> Path:
        """Logs of steps: of what was installed, synthesized and deployed."""
        return self.state / "steps"


def _cache(known: Mapping[str, str]) -> Path:
    if chosen := known.get("MILLRACE_CACHE"):
        return Path(chosen).absolute()
    return Path(known.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "millrace"
