"""Event types: PUT and GET /v1/event-types/{type}, its versions, a check of what would break; and the documents."""

import hashlib
from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html

from functions.manage.wiring import Parts
from shared.access.model import Principal
from shared.eventtypes.asyncapi import asyncapi
from shared.eventtypes.model import EventType
from shared.eventtypes.registry import read_definition, require_name
from shared.runtime.http import json_response

_OPENAPI = Path(__file__).parent / "openapi.json"  # written by functions/openapi.py
_TYPE = "/v1/event-types/{type_}"


def routes(parts: Parts) -> APIRouter:
    """The routes over `parts`."""
    router = APIRouter()

    @router.put(_TYPE)
    async def put_type(request: Request, type_: str) -> Response:
        principal = await _principal(parts, request)
        definition = read_definition(await request.body())
        made, is_new = await parts.registry.put(principal.tenant, principal.name, require_name(type_), definition)
        return _shown(made, HTTPStatus.CREATED if is_new else HTTPStatus.OK)

    @router.get("/v1/event-types")
    async def get_types(request: Request) -> Response:
        principal = await _principal(parts, request)
        types = await parts.registry.all(principal.tenant)
        return json_response({"event_types": [_view(each) for each in types]})

    @router.get(_TYPE)
    async def get_type(request: Request, type_: str) -> Response:
        principal = await _principal(parts, request)
        return _shown(await parts.registry.get(principal.tenant, type_))

    @router.get(_TYPE + "/versions")
    async def get_versions(request: Request, type_: str) -> Response:
        principal = await _principal(parts, request)
        versions = await parts.registry.versions(principal.tenant, type_)
        return json_response({"versions": [_view(each) for each in versions]})

    @router.get(_TYPE + "/versions/{number_}")
    async def get_version(request: Request, type_: str, number_: str) -> Response:
        principal = await _principal(parts, request)
        return _shown(await parts.registry.get(principal.tenant, type_, _number(number_)))

    @router.post(_TYPE + "/check")
    async def check(request: Request, type_: str) -> Response:
        principal = await _principal(parts, request)
        definition = read_definition(await request.body())
        mode, breaks = await parts.registry.check(principal.tenant, type_, definition)
        return json_response({"compatible": not breaks, "compatibility": mode, "breaks": breaks})

    @router.get("/openapi.json")
    async def get_openapi() -> Response:
        return json_response(_OPENAPI.read_bytes())

    @router.get("/asyncapi.json")
    async def get_asyncapi(request: Request) -> Response:
        principal = await _principal(parts, request)
        return json_response(asyncapi(await parts.registry.all(principal.tenant)))

    @router.get("/docs")
    async def get_docs() -> Response:
        # Relative, because a gateway's stage stands before our paths.
        return get_swagger_ui_html(openapi_url="openapi.json", title="Millrace")

    return router


async def _principal(parts: Parts, request: Request) -> Principal:
    return await parts.access.authenticate(request.headers.get("authorization"))


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0  # which no version has


def _view(version: EventType) -> dict[str, Any]:
    return {
        "type": version.type,
        "version": version.version,
        **msgspec.structs.asdict(version.definition),
        "created_at": version.created_at,
        "created_by": version.created_by,
    }


def _shown(version: EventType, status: HTTPStatus = HTTPStatus.OK) -> Response:
    body = msgspec.json.encode(_view(version))
    return json_response(body, status, {"etag": f'"{hashlib.sha256(body).hexdigest()[:32]}"'})
