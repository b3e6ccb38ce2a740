"""Secrets of one state folder: made once, kept over `down`, readable by their owner alone."""

import hashlib
import os
import secrets
from pathlib import Path

from millrace_harness.dev.places import Places


def development_key(places: Places) -> str:
    """The API key that stands in for access control on a laptop; `mr_dev_` and 32 bytes of chance."""
    return _kept(places.state / "development-key", "mr_dev_")


def cursor_secret(places: Places) -> str:
    """What page cursors are signed with."""
    return _kept(places.state / "cursor-secret", "")


def erasure_secret(places: Places) -> str:
    """What the hashes of erased subjects are made with. Another one forgets which they were."""
    return _kept(places.state / "erasure-secret", "")


def sha256(key: str) -> str:
    """What a function knows of a key: 64 hexadecimal digits."""
    return hashlib.sha256(key.encode()).hexdigest()


def write_private(path: Path, text: str) -> None:
    """Write `text` for the owner alone, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def _kept(path: Path, prefix: str) -> str:
    if not path.exists():
        write_private(path, f"{prefix}{secrets.token_urlsafe(32)}\n")
    return path.read_text().strip()
