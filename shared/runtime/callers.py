"""Who asks over HTTP."""

from fastapi import Request

from shared.access.model import Principal
from shared.access.ports import Authenticator


async def principal_of(access: Authenticator, request: Request) -> Principal:
    """The principal that the request's `Authorization` proves.

    Raises:
        Unauthenticated: nobody that is known here.
    """
    return await access.authenticate(request.headers.get("authorization"))
