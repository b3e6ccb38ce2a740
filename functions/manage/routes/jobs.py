"""Jobs: redrive and discard dead letters, replay and erase events, and /v1/jobs to watch and steer them."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Request, Response

from functions.manage.wiring import Parts
from shared.access.model import Principal
from shared.deadletters.letters import scope_of
from shared.jobs.engine import WAKEABLE
from shared.jobs.model import Job, Kind, plain
from shared.jobs.requests import read_erasure, read_letters, read_replay
from shared.runtime.callers import principal_of
from shared.runtime.http import json_response, new_router, trace_of
from shared.runtime.idempotency import identity_of, once
from shared.runtime.parameters import id_of, parameters

_JOB = "/v1/jobs/{id_}"
_STALLED = "A part that it needs does not answer. It tries again, less and less often."

type Reading = Callable[[Principal, bytes], dict[str, Any]]


class _Parameters(msgspec.Struct, frozen=True, kw_only=True):
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    before: UUID | None = None


def routes(parts: Parts) -> APIRouter:
    """The routes over `parts`."""
    router = new_router()

    for path, kind, reading in (
        ("/v1/dead-letters/redrive", Kind.REDRIVE, _letters),
        ("/v1/dead-letters/discard", Kind.DISCARD, _letters),
        ("/v1/replays", Kind.REPLAY, _replay),
        ("/v1/erasures", Kind.ERASURE, _erasure),
    ):
        router.add_api_route(path, _beginning(parts, path, kind, reading), methods=["POST"])

    @router.get("/v1/jobs")
    async def get_jobs(request: Request) -> Response:
        principal = await principal_of(parts.access, request)
        asked = parameters(request, _Parameters, rules={"before": "Use the id of a job."})
        page, following = await parts.jobs.page(principal, before=asked.before, limit=asked.limit)
        return json_response({"jobs": [_view(job) for job in page], "next": following})

    @router.get(_JOB)
    async def get_job(request: Request, id_: str) -> Response:
        principal = await principal_of(parts.access, request)
        return json_response(_view(await parts.jobs.get(principal, _id(id_))))

    @router.post(_JOB + "/pause")
    async def pause(request: Request, id_: str) -> Response:
        principal = await principal_of(parts.access, request)
        return json_response(_view(await parts.jobs.steer(principal, _id(id_), "pause")))

    @router.post(_JOB + "/resume")
    async def resume(request: Request, id_: str) -> Response:
        principal = await principal_of(parts.access, request)
        return json_response(_view(await parts.jobs.steer(principal, _id(id_), "resume")))

    @router.post(_JOB + "/cancel")
    async def cancel(request: Request, id_: str) -> Response:
        principal = await principal_of(parts.access, request)
        return json_response(_view(await parts.jobs.steer(principal, _id(id_), "cancel")))

    return router


def _beginning(parts: Parts, path: str, kind: Kind, reading: Reading) -> Callable[[Request], Awaitable[Response]]:
    """What begins a job of `kind`, once for one Idempotency-Key."""
    # Relative to the path: a gateway's stage stands before our paths, and we are not told of it.
    up = "../" * (path.count("/") - 2)

    async def begin(request: Request) -> Response:
        principal, body = await principal_of(parts.access, request), await request.body()
        identity = identity_of(request, body)
        key = None if identity is None else identity.key

        async def work() -> Response:
            job = await parts.jobs.begin(principal, kind, reading(principal, body), key=key)
            return json_response(_begun(job), HTTPStatus.ACCEPTED, {"location": f"{up}jobs/{job.id}"})

        return await once(parts.answers, principal.tenant, identity, trace_of(request), work)

    return begin


def _letters(principal: Principal, body: bytes) -> dict[str, Any]:
    asked = read_letters(body)
    spec = plain(asked) | {"rate": int(asked.rate), "dry_run": asked.dry_run, "orphans": scope_of(principal).orphans}
    if asked.filter is not None and asked.filter.partition is not None:
        spec["filter"]["partition"] = int(asked.filter.partition)
    if asked.ids is not None:
        spec["ids"] = list(dict.fromkeys(map(str, asked.ids)))
    return spec


def _replay(principal: Principal, body: bytes) -> dict[str, Any]:
    asked = read_replay(body)
    return plain(asked) | {"rate": int(asked.rate)}


def _erasure(principal: Principal, body: bytes) -> dict[str, Any]:
    return plain(read_erasure(body))


def _id(text: str) -> UUID:
    return id_of(text, "There is no job with this id.")


def _view(job: Job) -> dict[str, Any]:
    """The job as its tenant sees it. `per_second` and `seconds_left` are what was seen, and what follows from that."""
    progress = job.progress
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "asked": {name: value for name, value in job.spec.items() if name != "orphans"},
        "created_at": job.created_at,
        "created_by": job.created_by,
        "changed_at": job.changed_at,
        "progress": {
            **{name: getattr(progress, name) for name in ("total", "looked", "done", "skipped", "failed")},
            "per_second": _rounded(progress.per_second),
            "seconds_left": _rounded(progress.seconds_left),
            "message": _STALLED if job.stalls > 1 and job.state in WAKEABLE else progress.message,
        },
        "result": progress.result,
    }


def _begun(job: Job) -> dict[str, Any]:
    """The job without what was asked: this answer is kept for its Idempotency-Key, also after an erasure has ended."""
    return {name: value for name, value in _view(job).items() if name != "asked"}


def _rounded(figure: float | None) -> float | None:
    return None if figure is None else round(figure, 1)
