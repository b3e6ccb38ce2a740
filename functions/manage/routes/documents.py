"""/openapi.json, /asyncapi.json and /docs."""

from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html

from functions.manage.wiring import Parts
from shared.eventtypes.asyncapi import asyncapi
from shared.runtime.callers import principal_of
from shared.runtime.http import json_response, new_router

_OPENAPI = Path(__file__).parents[1] / "openapi.json"  # written by functions/openapi.py


def routes(parts: Parts) -> APIRouter:
    """The routes over `parts`."""
    router = new_router()

    @router.get("/openapi.json")
    async def get_openapi(_: Request) -> Response:
        return json_response(_OPENAPI.read_bytes())

    @router.get("/asyncapi.json")
    async def get_asyncapi(request: Request) -> Response:
        principal = await principal_of(parts.access, request)
        return json_response(asyncapi(await parts.registry.all(principal.tenant)))

    @router.get("/docs")
    async def get_docs(_: Request) -> Response:
        # Relative, because a gateway's stage stands before our paths.
        return get_swagger_ui_html(openapi_url="openapi.json", title="Millrace")

    return router
