"""One API key for a laptop, known only by its hash."""

import hashlib
import hmac

from shared.access.model import Principal
from shared.kit.errors import Unauthenticated

_SCHEME = "bearer"


class DevelopmentKey:
    """An Authenticator that knows a single key by its SHA-256 (64 hexadecimal digits) and a single tenant."""

    def __init__(self, sha256_hex: str, *, tenant: str = "demo") -> None:
        self._expected = bytes.fromhex(sha256_hex)
        self._principal = Principal(name="development-key", tenant=tenant, operator=True)

    async def authenticate(self, authorization: str | None) -> Principal:
        scheme, _, key = (authorization or "").partition(" ")
        digest = hashlib.sha256(key.strip().encode()).digest()
        if not hmac.compare_digest(digest, self._expected) or scheme.lower() != _SCHEME:
            raise Unauthenticated("Send 'Authorization: Bearer <API key>' with a key that is known here.")
        return self._principal
