"""GET /v1/status."""

from fastapi import APIRouter, Request, Response

from functions.manage.wiring import Parts
from shared.runtime.callers import principal_of, require_operator
from shared.runtime.http import json_response, new_router
from shared.status.assemble import view


def routes(parts: Parts) -> APIRouter:
    """The routes over `parts`."""
    router = new_router()

    @router.get("/v1/status")
    async def get_status(request: Request) -> Response:
        require_operator(await principal_of(parts.access, request))
        return json_response(view(await parts.statuses()), headers={"cache-control": "no-store"})

    return router
