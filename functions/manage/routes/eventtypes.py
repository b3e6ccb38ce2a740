"""Event types: PUT and GET /v1/event-types/{type}, its versions, and a check of what would break."""

import re
from collections.abc import Container
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from functions.manage.wiring import Parts
from shared.eventtypes.definitions import read_definition, require_name
from shared.eventtypes.model import EventType
from shared.kit.errors import Fault, Unprocessable
from shared.kit.pointer import escape
from shared.runtime.callers import principal_of
from shared.runtime.http import json_response, new_router
from shared.runtime.parameters import if_match, is_known

_TYPE = "/v1/event-types/{type_}"

_NUMBER = re.compile("[0-9]{1,9}")


def routes(parts: Parts) -> APIRouter:
    """The routes over `parts`."""
    router = new_router()

    @router.put(_TYPE)
    async def put_type(request: Request, type_: str) -> Response:
        principal = await principal_of(parts.access, request)
        name, definition = require_name(type_), read_definition(await request.body())
        made, is_new = await parts.registry.put(
            principal.tenant, principal.name, name, definition, expected=_expected(request)
        )
        return _shown(made, HTTPStatus.CREATED if is_new else HTTPStatus.OK)

    @router.get("/v1/event-types")
    async def get_types(request: Request) -> Response:
        principal = await principal_of(parts.access, request)
        types = await parts.registry.all(principal.tenant)
        return json_response({"event_types": [_view(each) for each in types]})

    @router.get(_TYPE)
    async def get_type(request: Request, type_: str) -> Response:
        principal = await principal_of(parts.access, request)
        return _shown_unless_known(request, await parts.registry.get(principal.tenant, type_))

    @router.get(_TYPE + "/versions")
    async def get_versions(request: Request, type_: str) -> Response:
        principal = await principal_of(parts.access, request)
        page, following = await parts.registry.versions(principal.tenant, type_, before=_before(request))
        return json_response({"versions": [_view(each) for each in page], "next": following})

    @router.get(_TYPE + "/versions/{number_}")
    async def get_version(request: Request, type_: str, number_: str) -> Response:
        principal = await principal_of(parts.access, request)
        return _shown(await parts.registry.get(principal.tenant, type_, _number(number_)))

    @router.post(_TYPE + "/check")
    async def check(request: Request, type_: str) -> Response:
        principal = await principal_of(parts.access, request)
        name, definition = require_name(type_), read_definition(await request.body())
        return json_response(await parts.registry.check(principal.tenant, name, definition))

    return router


def _number(text: str) -> int:
    return int(text) if _NUMBER.fullmatch(text) else 0  # which no version has


def _expected(request: Request) -> Container[int] | None:
    """The numbers that the last version may have for the request to be applied (RFC 9110, 13.1); 0 is no version."""
    if request.headers.get("if-none-match") == "*":
        return (0,)
    tags = if_match(request)
    if tags is None:
        return None
    return range(1, 10**9) if tags == ["*"] else [int(tag) for tag in tags if _NUMBER.fullmatch(tag)]


def _before(request: Request) -> int | None:
    given = request.query_params.multi_items()
    faults = [
        Fault(f"/{escape(name)}", "unknown_parameter", "Known here: before.") for name, _ in given if name != "before"
    ]
    if not faults and (len(given) > 1 or any(not _NUMBER.fullmatch(text) for _, text in given)):
        faults.append(Fault("/before", "parameter", "Use the number of a version, once."))
    if faults:
        raise Unprocessable("The query is not understood.", faults=tuple(faults))
    return int(given[0][1]) if given else None


def _view(version: EventType) -> dict[str, Any]:
    return {
        "type": version.type,
        "version": version.version,
        **msgspec.structs.asdict(version.definition),
        "created_at": version.created_at,
        "created_by": version.created_by,
    }


def _shown_unless_known(request: Request, version: EventType) -> Response:
    if is_known(request, _tag(version)):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={"etag": _tag(version)})
    return _shown(version)


def _tag(version: EventType) -> str:
    return f'"{version.version}"'  # a version never changes


def _shown(version: EventType, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return json_response(_view(version), status, {"etag": _tag(version)})
