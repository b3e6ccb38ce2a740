"""Opaque, signed page cursors: a client can keep one and send it back, but cannot make or change one."""

import base64
import hashlib
import hmac

import msgspec

from shared.kit.errors import Fault, Malformed

_TAG_BYTES = 16  # 128 bits of HMAC-SHA-256: out of reach of guessing, short in a URL


class CursorSigner:
    """Seals and opens cursors with one secret, shared by every environment of a stage."""

    def __init__(self, secret: str) -> None:
        self._key = hashlib.sha256(b"millrace cursor" + secret.encode()).digest()

    def seal(self, payload: bytes) -> str:
        """`payload` as URL-safe text without padding."""
        return base64.urlsafe_b64encode(self._tag(payload) + payload).rstrip(b"=").decode()

    def open(self, cursor: str) -> bytes:
        """The payload that was sealed.

        Raises:
            Malformed: this signer did not make the cursor, or it was changed.
        """
        try:
            sealed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except ValueError:
            sealed = b""
        tag, payload = sealed[:_TAG_BYTES], sealed[_TAG_BYTES:]
        if not hmac.compare_digest(tag, self._tag(payload)):
            fault = Fault("/cursor", "cursor", "Use the cursor exactly as the last page gave it.")
            raise Malformed("The cursor is not one of ours.", faults=(fault,))
        return payload

    def _tag(self, payload: bytes) -> bytes:
        return hmac.digest(self._key, payload, hashlib.sha256)[:_TAG_BYTES]


class _Sealed(msgspec.Struct, frozen=True, array_like=True):
    question: msgspec.Raw
    after: msgspec.Raw


class Bookmarks[Place]:
    """Cursors of a list: the place of type `place` after which it goes on, sealed with what was asked."""

    def __init__(self, signer: CursorSigner, place: type[Place]) -> None:
        self._signer = signer
        self._places = msgspec.json.Decoder(place)

    def seal(self, question: object, after: Place) -> str:
        """The cursor of what follows `after` in the answer to `question`, which can be written as JSON."""
        pair = (msgspec.Raw(msgspec.json.encode(question)), after)
        return self._signer.seal(msgspec.json.encode(pair))

    def open(self, question: object, cursor: str | None) -> Place | None:
        """The place that `cursor` was made for; None without one.

        Raises:
            Malformed: the cursor was not made here, or for another question.
        """
        if cursor is None:
            return None
        sealed = msgspec.json.decode(self._signer.open(cursor), type=_Sealed)
        if bytes(sealed.question) != msgspec.json.encode(question):
            fault = Fault("/cursor", "cursor", "Use a cursor with the filter and order it was given for.")
            raise Malformed("The cursor belongs to another question.", faults=(fault,))
        return self._places.decode(sealed.after)
