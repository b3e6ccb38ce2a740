"""The parts that operations of the OpenAPI document are made of.

Operations are described beside their routes, in `functions/<name>/docs.py`, and are put together by
`functions/openapi.py` when the document is written: a function that runs carries the finished document or nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from shared.kit.errors import (
    Changed,
    Conflict,
    Forbidden,
    Malformed,
    NotFound,
    QuotaExceeded,
    TooLarge,
    Unauthenticated,
    Unavailable,
    Unprocessable,
    UnsupportedMedia,
)
from shared.kit.trace import Trace
from shared.runtime.problems import MEDIA_TYPE, problem_response, status_of

type Schema = dict[str, Any]
type Operation = dict[str, Any]

_TRACE = Trace("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "01")  # that of W3C Trace Context's examples

_FAILURES = (
    Malformed("The bytes are not what their content type says."),
    Unauthenticated("Send 'Authorization: Bearer <API key>' with a key that is known here."),
    Forbidden("This is for operators of the deployment."),
    NotFound("There is nothing here by this name."),
    Conflict("The request fits more than one thing, or another one is still at work."),
    Changed("It has been changed since it was read."),
    TooLarge("A stated limit was passed."),
    UnsupportedMedia("The content type or encoding is not read here."),
    Unprocessable("Well-formed, but a rule is broken."),
    QuotaExceeded("More events were sent than the quota allows."),
    Unavailable("A part is away. Send the same request again."),
)
_PROBLEMS = {status_of(failure).value: failure for failure in _FAILURES}


def reference(name: str) -> Schema:
    """A schema by its name among the components."""
    return {"$ref": f"#/components/schemas/{name}"}


def header(description: str, schema: Schema | None = None) -> dict[str, Any]:
    """A header of an answer."""
    return {"description": description, "schema": schema or {"type": "string"}}


def parameter(place: str, name: str, description: str, schema: Schema, **more: Any) -> dict[str, Any]:
    """A parameter in `path`, `query` or `header`."""
    return {"name": name, "in": place, "description": description, "schema": schema, **more}


ANSWER_HEADERS = {
    "X-Request-Id": header("The request, as logs name it."),
    "traceparent": header("The trace that the request belongs to (W3C Trace Context)."),
}
_HEADERS = {
    "Retry-After": header("Seconds to wait before sending again.", {"type": "integer", "minimum": 0}),
    "WWW-Authenticate": header("How to authenticate."),
}


def answer(
    description: str,
    schema: Schema,
    example: object,
    *,
    headers: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """An answer with a JSON body."""
    content = {"application/json": {"schema": schema, "example": example}}
    return {"description": description, "headers": ANSWER_HEADERS | dict(headers or {}), "content": content}


def problems(*statuses: int, members: Mapping[int, str] | None = None) -> dict[str, Any]:
    """The problem documents that an operation may answer with. `members` names another schema for a status."""
    found = {}
    for status in statuses:
        failure = _PROBLEMS[status]
        response = problem_response(failure, _TRACE)
        schema = reference((members or {}).get(status, "Problem"))
        found[str(status)] = {
            "description": failure.detail,
            "headers": ANSWER_HEADERS | {name: told for name, told in _HEADERS.items() if name in response.headers},
            "content": {MEDIA_TYPE: {"schema": schema, "example": msgspec.json.decode(response.body)}},
        }
    return found


def body(content: Mapping[str, tuple[Schema, Mapping[str, object]]], description: str) -> dict[str, Any]:
    """A request body: for each media type its schema and its examples by name."""
    return {
        "required": True,
        "description": description,
        "content": {
            media_type: {"schema": schema, "examples": {name: {"value": value} for name, value in examples.items()}}
            for media_type, (schema, examples) in content.items()
        },
    }


def document(operations: Mapping[tuple[str, str], Operation], schemas: Mapping[str, Schema]) -> dict[str, Any]:
    """The whole document, OpenAPI 3.1.0. `operations` are keyed by method and path, in the order to be shown."""
    paths: dict[str, dict[str, Operation]] = {}
    for (method, path), operation in operations.items():
        paths.setdefault(path, {})[method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Millrace",
            "version": "1",
            "summary": "An event platform: what is acknowledged is stored, once.",
        },
        "servers": [{"url": ".", "description": "Where this document was read."}],
        "security": [{"key": []}],
        "tags": [{"name": tag} for tag in _tags(operations.values())],
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "An API key."}},
            "schemas": dict(schemas),
        },
    }


def _tags(operations: Sequence[Operation] | Any) -> list[str]:
    return list(dict.fromkeys(tag for operation in operations for tag in operation["tags"]))


LINK = {"Link": header('The page that follows, as rel="next" (RFC 8288).')}


def paging(order: str, limit: str) -> list[dict[str, Any]]:
    """The parameters of every list that is read in keyset pages; `order` and `limit` say what they mean there."""
    return [
        parameter("query", "order", order, {"type": "string", "enum": ["asc", "desc"]}),
        parameter("query", "limit", limit, {"type": "integer", "minimum": 1, "maximum": 200}),
        parameter(
            "query",
            "cursor",
            "`next` of the page before, with the same filter and order.",
            {"type": "string", "minLength": 1},
            example="AAAA",
        ),
    ]
