"""Failures as RFC 9457 problem documents. The only table from failures to statuses."""

from http import HTTPStatus

import msgspec
from starlette.responses import Response

from shared.kit.errors import (
    Changed,
    Conflict,
    Failure,
    Fault,
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

MEDIA_TYPE = "application/problem+json"
_RETRY_AFTER_SECONDS = 2

_LATER = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)

_STATUS: dict[type[Failure], HTTPStatus] = {
    Malformed: HTTPStatus.BAD_REQUEST,
    Unauthenticated: HTTPStatus.UNAUTHORIZED,
    Forbidden: HTTPStatus.FORBIDDEN,
    NotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    Changed: HTTPStatus.PRECONDITION_FAILED,
    TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    UnsupportedMedia: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Unprocessable: HTTPStatus.UNPROCESSABLE_ENTITY,
    QuotaExceeded: HTTPStatus.TOO_MANY_REQUESTS,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    Failure: HTTPStatus.INTERNAL_SERVER_ERROR,
}


class Problem(msgspec.Struct, frozen=True):
    """RFC 9457, with our members: `code` and `retryable` for programs, `errors` for each place at fault."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    retryable: bool
    trace_id: str
    errors: tuple[Fault, ...]


def status_of(failure: Failure) -> HTTPStatus:
    """The status of the failure's class, or of the nearest one above it."""
    return next(_STATUS[kind] for kind in type(failure).__mro__ if kind in _STATUS)


def problem_response(failure: Failure, trace: Trace, *, status: HTTPStatus | None = None) -> Response:
    """The failure as an answer, with `Retry-After` or `WWW-Authenticate` where the status asks for it."""
    status = status or status_of(failure)
    headers = {}
    if status is HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = "Bearer"
    if status in _LATER or failure.retry_after_seconds:
        headers["retry-after"] = str(failure.retry_after_seconds or _RETRY_AFTER_SECONDS)
    problem = Problem(
        type=f"urn:millrace:problem:{failure.code}",
        title=status.phrase,
        status=status.value,
        detail=failure.detail,
        code=failure.code,
        retryable=failure.retryable,
        trace_id=trace.trace_id,
        errors=failure.faults,
    )
    headers |= failure.headers
    body = msgspec.json.encode(msgspec.structs.asdict(problem) | dict(failure.members))
    return Response(body, status, headers, MEDIA_TYPE)
