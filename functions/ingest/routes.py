"""POST /v1/events, POST /v1/events/batch, and the health of what they need."""

from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import msgspec
from fastapi import APIRouter, Request, Response

from functions.ingest.wiring import Parts
from shared.events.draft import Draft
from shared.events.formats import parse_batch, parse_event
from shared.events.ingest import Receipt
from shared.kit.errors import Fault, Unavailable, UnsupportedMedia
from shared.runtime.http import json_response, trace_of


def routes(parts: Parts) -> APIRouter:
    """The routes over `parts`."""
    router = APIRouter()

    @router.post("/v1/events")
    async def post_event(request: Request) -> Response:
        principal = await parts.access.authenticate(request.headers.get("authorization"))
        draft = parse_event(await _body(request), request.headers.get("content-type"))
        (receipt,) = await _accept(parts, request, [draft], principal.tenant, principal.name)
        if receipt.status == "retry":
            raise _away([receipt])
        shown = msgspec.to_builtins(receipt) | {"trace_id": trace_of(request).trace_id}
        location = f"events/{quote(receipt.id, safe='')}"  # relative: a gateway's stage stands before our paths
        return json_response(shown, HTTPStatus.ACCEPTED, {"location": location})

    @router.post("/v1/events/batch")
    async def post_batch(request: Request) -> Response:
        principal = await parts.access.authenticate(request.headers.get("authorization"))
        drafts = parse_batch(await _body(request), request.headers.get("content-type"))
        receipts = await _accept(parts, request, drafts, principal.tenant, principal.name)
        accepted = sum(receipt.status == "accepted" for receipt in receipts)
        if accepted == 0:
            raise _away(receipts)
        status = HTTPStatus.ACCEPTED if accepted == len(receipts) else HTTPStatus.MULTI_STATUS
        return json_response(_summary(receipts, accepted), status)

    @router.get("/health/live")
    async def live() -> Response:
        return json_response({"status": "live"})

    @router.get("/health/ready")
    async def ready() -> Response:
        await parts.log.check()
        return json_response({"status": "ready", "log": "ready"})

    return router


async def _body(request: Request) -> bytes:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        fault = Fault("", "content_encoding", "Send the body without a content encoding.")
        raise UnsupportedMedia("The content encoding is not read here.", faults=(fault,))
    return await request.body()


async def _accept(parts: Parts, request: Request, drafts: list[Draft], tenant: str, principal: str) -> list[Receipt]:
    traceparent = str(trace_of(request))
    return await parts.ingest.accept(drafts, tenant=tenant, principal=principal, traceparent=traceparent)


def _away(receipts: list[Receipt]) -> Unavailable:
    """No event was acknowledged. Some may be in the log all the same: sent again with their ids they stay single."""
    detail = "The log did not acknowledge in time. Send again, with the ids given here."
    return Unavailable(detail, retry_after_seconds=2, members={"results": _results(receipts)})


def _summary(receipts: list[Receipt], accepted: int) -> dict[str, Any]:
    highest: dict[int, int] = {}
    for receipt in receipts:
        if receipt.partition is not None and receipt.offset is not None:
            highest[receipt.partition] = max(receipt.offset, highest.get(receipt.partition, 0))
    return {
        "accepted": accepted,
        "retry": len(receipts) - accepted,
        "position": ",".join(f"{partition}:{offset}" for partition, offset in sorted(highest.items())),
        "results": _results(receipts),
    }


def _results(receipts: list[Receipt]) -> list[dict[str, Any]]:
    return [{"index": index} | msgspec.to_builtins(receipt) for index, receipt in enumerate(receipts)]
