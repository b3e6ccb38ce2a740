"""POST /v1/events, …/batch and …/validate, what a request may hold, and the health of what they need."""

import msgspec
from fastapi import APIRouter, Request, Response

from functions.ingest.wiring import Parts
from shared.access.model import Principal
from shared.events.formats import is_batch, parse_batch, parse_event
from shared.events.intake import Caller
from shared.runtime import receipts
from shared.runtime.callers import principal_of
from shared.runtime.http import deadline_of, headers_of, json_response, new_router, trace_of
from shared.runtime.idempotency import Identity, identity_of, once
from shared.runtime.limits import LIMITS
from shared.runtime.parameters import applied, only_errors, wait_seconds


def routes(parts: Parts) -> APIRouter:
    """The routes over `parts`."""
    router = new_router()

    @router.post("/v1/events")
    async def post_event(request: Request) -> Response:
        caller, body, identity = await _asked(parts, request)

        async def work() -> Response:
            wait = wait_seconds(request)
            draft = parse_event(body, headers_of(request), now=parts.clock.now())
            accepted = await parts.ingest.accept([draft], caller, deadline=deadline_of(request), wait_seconds=wait)
            response = receipts.single(accepted, trace_of(request).trace_id)
            return applied(receipts.located(response, accepted), wait)

        return await once(parts.answers, caller.tenant, identity, trace_of(request), work)

    @router.post("/v1/events/batch")
    async def post_batch(request: Request) -> Response:
        caller, body, identity = await _asked(parts, request)

        async def work() -> Response:
            wait, trimmed = wait_seconds(request), only_errors(request)
            drafts = parse_batch(body, headers_of(request), now=parts.clock.now())
            accepted = await parts.ingest.accept(drafts, caller, deadline=deadline_of(request), wait_seconds=wait)
            return applied(receipts.batch(accepted, only_errors=trimmed), wait)

        return await once(parts.answers, caller.tenant, identity, trace_of(request), work)

    @router.post("/v1/events/validate")
    async def validate(request: Request) -> Response:
        caller, body = await _sender(parts, request), await request.body()
        trimmed = only_errors(request)
        if is_batch(body, headers_of(request)):
            accepted = await parts.ingest.check(parse_batch(body, headers_of(request), now=parts.clock.now()), caller)
            return receipts.batch(accepted, only_errors=trimmed)
        accepted = await parts.ingest.check([parse_event(body, headers_of(request), now=parts.clock.now())], caller)
        return receipts.single(accepted, trace_of(request).trace_id)

    @router.get("/v1/limits")
    async def limits(_: Request) -> Response:
        return json_response(LIMITS)

    @router.get("/health/live")
    async def live(_: Request) -> Response:
        return json_response({"status": "live"})

    @router.get("/health/ready")
    async def ready(_: Request) -> Response:
        await parts.log.check()
        return json_response({"status": "ready", "log": "ready"})

    return router


async def _sender(parts: Parts, request: Request) -> Caller:
    principal: Principal = await principal_of(parts.access, request)
    return Caller(principal.tenant, principal.name, str(trace_of(request)))


async def _asked(parts: Parts, request: Request) -> tuple[Caller, bytes, Identity | None]:
    """Who asks for something to be written, what they sent, and how to know it again."""
    caller, body = await _sender(parts, request), await request.body()
    identity = identity_of(request, body)
    return msgspec.structs.replace(caller, request_key=str(identity) if identity else None), body, identity
