"""How a caller is verified."""

from typing import Protocol

from shared.access.model import Principal


class Authenticator(Protocol):
    """Turns the Authorization header into a principal."""

    async def authenticate(self, authorization: str | None) -> Principal:
        """The principal behind `Bearer <credential>`.

        Compares secrets in constant time and never repeats the credential.

        Raises:
            Unauthenticated: no credential, or one that cannot be verified.
        """
        ...
