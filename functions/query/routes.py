"""GET /v1/events/{id} and GET /v1/events."""

import hashlib
import re
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Literal
from urllib.parse import quote, urlencode

import msgspec
from fastapi import APIRouter, Request, Response

from functions.query.wiring import Parts
from shared.events.limits import YEARS
from shared.events.model import Moment
from shared.events.ports import EventFilter
from shared.events.query import PageRequest
from shared.kit.errors import Fault, Unprocessable
from shared.kit.pointer import escape
from shared.runtime.callers import principal_of
from shared.runtime.http import json_response, new_router


class _Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: str | None = None
    source: str | None = None
    subject: str | None = None
    since: Moment | None = None
    until: Moment | None = None
    order: Literal["asc", "desc"] = "desc"
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    cursor: str | None = None


_RULES = {
    "since": "Use an RFC 3339 date and time with an offset, between the years 2 and 9998.",
    "until": "Use an RFC 3339 date and time with an offset, between the years 2 and 9998.",
    "order": "Use asc or desc.",
    "limit": "Use a whole number from 1 to 200.",
}


def routes(parts: Parts) -> APIRouter:
    """The routes over `parts`."""
    router = new_router()

    @router.get("/v1/events/{id_:path}")
    async def get_event(request: Request, id_: str) -> Response:
        principal = await principal_of(parts.access, request)
        source = _one_each(request, ("source",)).get("source")
        body = await parts.query.event(principal.tenant, id_, source)
        tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={"etag": tag})
        return json_response(body, headers={"etag": tag})

    @router.get("/v1/events")
    async def get_events(request: Request) -> Response:
        principal = await principal_of(parts.access, request)
        asked = _parameters(request)
        where = EventFilter(
            type=asked.type, source=asked.source, subject=asked.subject, since=asked.since, until=asked.until
        )
        page = await parts.query.page(
            principal.tenant,
            PageRequest(where=where, limit=asked.limit, descending=asked.order == "desc", cursor=asked.cursor),
        )
        return json_response(page, headers=_link(request, page.next))

    return router


def _parameters(request: Request) -> _Parameters:
    given = {name: _typed(name, text) for name, text in _one_each(request, _Parameters.__struct_fields__).items()}
    faults = []
    for name, value in given.items():
        try:
            _require_year(getattr(msgspec.convert({name: value}, _Parameters), name))
        except ValueError:
            faults.append(Fault(f"/{name}", "parameter", _RULES.get(name, "This value is not allowed here.")))
    if faults:
        raise Unprocessable("The query cannot be answered.", faults=tuple(faults))
    return msgspec.convert(given, _Parameters)


def _typed(name: str, text: str) -> str | int:
    # By hand: msgspec's own reading of texts takes "null" for no filter at all, and a bare number for a time.
    return int(text) if name == "limit" and re.fullmatch("[0-9]{1,9}", text) else text


def _require_year(value: object) -> None:
    if isinstance(value, datetime) and value.year not in YEARS:
        raise ValueError


def _one_each(request: Request, known: tuple[str, ...]) -> dict[str, str]:
    """The query parameters, each known and given once: a typing error must not widen an answer in silence."""
    faults = []
    for name in request.query_params:
        if name not in known:
            faults.append(Fault(f"/{escape(name)}", "unknown_parameter", f"Known here: {', '.join(known)}."))
        elif len(values := request.query_params.getlist(name)) > 1 or "\0" in values[0]:
            faults.append(Fault(f"/{name}", "parameter", "Give this parameter once, without U+0000."))
    if faults:
        raise Unprocessable("The query cannot be answered.", faults=tuple(faults))
    return dict(request.query_params)


def _link(request: Request, cursor: str | None) -> dict[str, str]:
    if cursor is None:
        return {}
    following = urlencode(dict(request.query_params) | {"cursor": cursor}, quote_via=quote)
    # Relative: a gateway's stage stands before our paths, and we are not told of it.
    return {"link": f'<?{following}>; rel="next"'}
