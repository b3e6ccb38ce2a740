"""A dead letter as clients see it."""

from binascii import b2a_base64
from typing import Any

import msgspec

from shared.deadletters.model import StoredLetter
from shared.events.envelope import decode
from shared.kit.errors import Malformed


def view(stored: StoredLetter) -> dict[str, Any]:
    """All that is known of a letter, its bytes included: with what stood there originally, where it was edited."""
    return {
        **msgspec.to_builtins(stored.listed),
        "key_base64": _base64(stored.letter.key),
        **_content(stored.value),
        **({"original": _content(stored.letter.value)} if stored.edits else {}),
        "edits": stored.edits,
    }


def _content(value: bytes | None) -> dict[str, Any]:
    """An event as the JSON that it is, and all else as bytes."""
    return {"value": msgspec.Raw(value)} if value is not None and _is_event(value) else {"value_base64": _base64(value)}


def _is_event(value: bytes) -> bool:
    try:
        decode(value)
        msgspec.json.decode(value)  # also what the decoding of an event passes over
    except (Malformed, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _base64(value: bytes | None) -> str | None:
    return None if value is None else b2a_base64(value, newline=False).decode()
