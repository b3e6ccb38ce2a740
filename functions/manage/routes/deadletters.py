"""Dead letters: GET /v1/dead-letters, GET and PATCH /v1/dead-letters/{id}."""

from collections.abc import Container
from http import HTTPStatus
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from fastapi import APIRouter, Request, Response

from functions.manage.wiring import Parts
from shared.deadletters.letters import PageRequest, tag
from shared.deadletters.model import LetterFilter, State, StoredLetter
from shared.deadletters.view import view
from shared.runtime.callers import principal_of
from shared.runtime.http import json_response, new_router
from shared.runtime.parameters import id_of, if_match, is_known, link_to_next, parameters

_LETTER = "/v1/dead-letters/{id_}"
_RULES = {
    "state": f"Use one of {', '.join(State)}.",
    "partition": "Use the number of a partition.",
}


class _Parameters(LetterFilter, frozen=True, kw_only=True):
    order: Literal["asc", "desc"] = "desc"
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    cursor: str | None = None


def routes(parts: Parts) -> APIRouter:
    """The routes over `parts`."""
    router = new_router()

    @router.get("/v1/dead-letters")
    async def get_letters(request: Request) -> Response:
        principal = await principal_of(parts.access, request)
        asked = parameters(request, _Parameters, whole=("limit", "partition"), rules=_RULES)
        where = LetterFilter(**{name: getattr(asked, name) for name in LetterFilter.__struct_fields__})
        page = await parts.letters.page(
            principal,
            PageRequest(where=where, limit=asked.limit, descending=asked.order == "desc", cursor=asked.cursor),
        )
        return json_response(page, headers=link_to_next(request, page.next))

    @router.get(_LETTER)
    async def get_letter(request: Request, id_: str) -> Response:
        principal = await principal_of(parts.access, request)
        stored = await parts.letters.get(principal, _id(id_))
        if is_known(request, _tag(stored)):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={"etag": _tag(stored)})
        return _shown(stored)

    @router.patch(_LETTER)
    async def patch_letter(request: Request, id_: str) -> Response:
        principal = await principal_of(parts.access, request)
        body = await request.body()
        return _shown(await parts.letters.edit(principal, _id(id_), body, expected=_expected(request)))

    return router


def _id(text: str) -> UUID:
    return id_of(text, "There is no dead letter with this id.")


def _expected(request: Request) -> Container[str] | None:
    tags = if_match(request)
    return None if tags == ["*"] else tags


def _tag(stored: StoredLetter) -> str:
    return f'"{tag(stored)}"'


def _shown(stored: StoredLetter) -> Response:
    return json_response(view(stored), headers={"etag": _tag(stored)})
