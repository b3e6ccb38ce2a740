"""GET /v1/events/{id} and GET /v1/events."""

import hashlib
from http import HTTPStatus
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Request, Response

from functions.query.wiring import Parts
from shared.events.model import Moment
from shared.events.ports import EventFilter
from shared.events.query import PageRequest
from shared.runtime.callers import principal_of
from shared.runtime.http import json_response, new_router
from shared.runtime.parameters import is_known, link_to_next, one_each, parameters


class _Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: str | None = None
    source: str | None = None
    subject: str | None = None
    since: Moment | None = None
    until: Moment | None = None
    order: Literal["asc", "desc"] = "desc"
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    cursor: str | None = None


def routes(parts: Parts) -> APIRouter:
    """The routes over `parts`."""
    router = new_router()

    @router.get("/v1/events/{id_:path}")
    async def get_event(request: Request, id_: str) -> Response:
        principal = await principal_of(parts.access, request)
        source = one_each(request, ("source",)).get("source")
        body = await parts.query.event(principal.tenant, id_, source)
        tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        if is_known(request, tag):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={"etag": tag})
        return json_response(body, headers={"etag": tag})

    @router.get("/v1/events")
    async def get_events(request: Request) -> Response:
        principal = await principal_of(parts.access, request)
        asked = parameters(request, _Parameters)
        where = EventFilter(
            type=asked.type, source=asked.source, subject=asked.subject, since=asked.since, until=asked.until
        )
        page = await parts.query.page(
            principal.tenant,
            PageRequest(where=where, limit=asked.limit, descending=asked.order == "desc", cursor=asked.cursor),
        )
        return json_response(page, headers=link_to_next(request, page.next))

    return router
