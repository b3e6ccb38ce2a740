"""The files that are, or are about to be, part of the repository."""

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


@cache
def files() -> tuple[Path, ...]:
    """Every file that is not ignored, relative to the checkout."""
    listing = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    named = subprocess.run(listing, check=True, capture_output=True, timeout=30).stdout.decode().split("\0")
    return tuple(sorted(Path(name) for name in named if name and (ROOT / name).is_file()))


def python_files(*folders: str) -> list[Path]:
    """The Python files below `folders`."""
    return [file for file in files() if file.suffix == ".py" and file.parts[0] in folders]
