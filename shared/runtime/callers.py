"""Who asks over HTTP."""

from fastapi import Request

from shared.access.model import Principal
from shared.access.ports import Authenticator
from shared.kit.errors import Forbidden


async def principal_of(access: Authenticator, request: Request) -> Principal:
    """The principal that the request's `Authorization` proves.

    Raises:
        Unauthenticated: nobody that is known here.
    """
    return await access.authenticate(request.headers.get("authorization"))


def require_operator(principal: Principal) -> None:
    """Let nobody by but operators: what follows tells of all tenants.

    Raises:
        Forbidden: the principal is none.
    """
    if not principal.operator:
        raise Forbidden("This is for operators of the deployment.")
