"""FastAPI as a Lambda function: the app factory, the edge around every request, and the handler."""

import time
import uuid
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast

import msgspec
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from mangum import Mangum
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.kit.deadline import Deadline
from shared.kit.errors import Failure
from shared.kit.trace import Trace
from shared.runtime import loop
from shared.runtime.problems import MEDIA_TYPE, problem_response
from shared.runtime.telemetry import logger


class DirectRoute(APIRoute):
    """A route whose handler takes the request and its path parameters, and gives the response.

    FastAPI knows it like any other, and matches it; what it would do besides (solve dependencies, keep two exit stacks)
    is not done, because there is nothing to do.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            response: Response = await endpoint(Request(scope, receive, send), **scope["path_params"])
            await response(scope, receive, send)

        self.app = app


def new_router() -> APIRouter:
    """A router of direct routes."""
    return APIRouter(route_class=DirectRoute)


type LambdaHandler = Callable[[dict[str, Any], Any], dict[str, Any]]

_TEXT = ["text/", "application/json", MEDIA_TYPE]  # what Mangum must not turn into base64

_KEPT_SECONDS = 0.5  # of the function's time, to let go of what did not answer and to write the answer
_NO_LAMBDA_SECONDS = 9.5  # where no Lambda is around


def create_app(*routers: APIRouter) -> FastAPI:
    """An app of `routers` in which every failure becomes a problem document, also those that nobody foresaw."""
    app = _App(title="Millrace", docs_url=None, redoc_url=None, openapi_url=None)
    # Not by include_router, which would build each route again for every request's match.
    app.router.routes += [route for router in routers for route in router.routes]
    app.add_exception_handler(Failure, _on_failure)
    app.add_exception_handler(HTTPException, _on_http_exception)
    return app


class _App(FastAPI):
    """Without the middlewares that FastAPI brings: nothing here is streamed, uploaded, or closed after the answer."""

    def build_middleware_stack(self) -> ASGIApp:
        handlers = {kind: handler for kind, handler in self.exception_handlers.items() if kind is not Exception}
        return _Edge(ExceptionMiddleware(self.router, handlers))


def lambda_handler(app: FastAPI) -> LambdaHandler:
    """The handler that API Gateway's proxy events are given to."""
    loop.enter()
    adapter = Mangum(app, lifespan="off", text_mime_types=_TEXT)

    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        loop.enter()
        return adapter(event, context)

    return handler


def json_response(value: object, status: HTTPStatus = HTTPStatus.OK, headers: dict[str, str] | None = None) -> Response:
    """`value` as JSON. Bytes are JSON already."""
    body = value if isinstance(value, bytes) else msgspec.json.encode(value)
    return Response(body, status, headers, "application/json")


def headers_of(request: Request) -> Headers:
    """The headers as they were sent. Mangum joins one that was sent several times, and nobody could tell any more."""
    event = request.scope.get("aws.event") or {}
    sent: dict[str, list[str]] = event.get("multiValueHeaders") or {}
    if all(len(values) == 1 for values in sent.values()):
        return request.headers
    pairs = [(name.lower().encode(), value) for name, values in sent.items() for value in values]
    return Headers(raw=[(name, value.encode("utf-8", "surrogateescape")) for name, value in pairs])


def deadline_of(request: Request) -> Deadline:
    """When the work for the request must have ended, so that its answer still leaves before Lambda's timeout."""
    return cast(Deadline, request.state.deadline)


def trace_of(request: Request) -> Trace:
    """The trace that the edge gave to the request."""
    return cast(Trace, request.state.trace)


async def _on_failure(request: Request, failure: Exception) -> Response:
    return problem_response(cast(Failure, failure), trace_of(request))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    status = HTTPStatus(cast(HTTPException, error).status_code)
    headers = {"allow": _allowed(request)} if status is HTTPStatus.METHOD_NOT_ALLOWED else {}
    failure = _NoRoute("Nothing is served under this method and path.", headers=headers)
    return problem_response(failure, trace_of(request), status=status)


def _allowed(request: Request) -> str:
    """The methods of all routes on the path: the router itself names only those of the first.

    A path that is written out is not also one with a parameter: so the gateway sees it.
    """
    path = request.url.path
    routes: list[Route] = [route for route in request.app.routes if route.path_regex.match(path)]
    written_out = [route for route in routes if route.path == path]
    return ", ".join(sorted({method for route in written_out or routes for method in route.methods or ()}))


class _NoRoute(Failure):
    code = "no_route"


class _Edge:
    """Around every request: its trace and id, one log line, and an answer also to an error that nobody foresaw."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.monotonic()
        incoming = dict(scope["headers"])
        trace = Trace.continued(incoming.get(b"traceparent", b"").decode("latin-1"))
        state = scope.setdefault("state", {})
        state["trace"], state["deadline"] = trace, Deadline(_seconds_left(scope))
        request_id = _request_id(scope)
        status = HTTPStatus.INTERNAL_SERVER_ERROR.value

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                headers["traceparent"] = str(trace)
            await send(message)

        try:
            await self._app(scope, receive, send_marked)
        except Exception:
            logger.exception("http.error", trace_id=trace.trace_id, request_id=request_id)
            failure = Failure("Something went wrong here. It has been recorded under the trace id.")
            await problem_response(failure, trace)(scope, receive, send_marked)
        milliseconds = round((time.monotonic() - started) * 1000, 1)
        fields = {"method": scope["method"], "path": scope["path"], "status": status, "milliseconds": milliseconds}
        logger.info("http.request", trace_id=trace.trace_id, request_id=request_id, **fields)


def _seconds_left(scope: Scope) -> float:
    context = scope.get("aws.context")
    if context is None:
        return _NO_LAMBDA_SECONDS
    left: int = context.get_remaining_time_in_millis()
    return max(0.0, left / 1000 - _KEPT_SECONDS)


def _request_id(scope: Scope) -> str:
    event = scope.get("aws.event") or {}
    return str(event.get("requestContext", {}).get("requestId") or uuid.uuid4())
