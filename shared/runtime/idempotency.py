"""A request with an Idempotency-Key is done once: sent again it gets the answer of the first time."""

import hashlib
import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import assert_never

import msgspec
from fastapi import Request, Response

from shared.events.encodings import decoded
from shared.events.limits import MAX_BATCH_BYTES
from shared.idempotency.ports import Answer, Answers, Away, Begun, InFlight, Mismatch
from shared.kit.errors import Conflict, Fault, Invalid, Malformed, Unprocessable
from shared.kit.trace import Trace
from shared.runtime.problems import problem_response

HEADER = "idempotency-key"
REPLAYED = "idempotency-replayed"
DEGRADED = "degraded"

# A structured-field string (RFC 9651, 3.3.3), or the same without its quotes, as many clients send it.
_KEY = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\]){1,255})"|([!#-\[\]-~]{1,255})')
# Each answer's own, and what is left of the quota, which is another number by the time of a replay.
_NOT_KEPT = frozenset(
    {
        "x-request-id",
        "traceparent",
        "content-length",
        "date",
        "ratelimit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
    }
)
_ATTRIBUTE = "ce-"
_TOO_LARGE = Fault("", "too_large", "")
_AGAIN = b'"status":"retry"', b'"status":"throttled"'


class Identity(msgspec.Struct, frozen=True):
    """What is the same for a request that is sent again: its Idempotency-Key, and a fingerprint (32 bytes) of the rest.

    Two requests are the same when their method, path, query, content type, `ce-*` headers and body are, and the body is
    what it was before it was compressed.
    """

    key: str
    fingerprint: bytes

    def __str__(self) -> str:
        return f"{self.key} {self.fingerprint.hex()}"


class RequestInFlight(Conflict):
    """The same request is still at work. Send it again in a moment."""

    code = "request_in_flight"
    retryable = True


class KeyUsed(Unprocessable):
    """The key was used for another request."""

    code = "idempotency_key_used"


def identity_of(request: Request, body: bytes) -> Identity | None:
    """The request's identity; None where it has no Idempotency-Key.

    Raises:
        Malformed: the key is no string of 1 to 255 printable ASCII characters.
    """
    given = request.headers.getlist(HEADER)
    return Identity(_key(given), _fingerprint(request, body)) if given else None


async def once(
    answers: Answers, tenant: str, identity: Identity | None, trace: Trace, work: Callable[[], Awaitable[Response]]
) -> Response:
    """The answer of `work`, or the one that was kept for `identity`; without one `work` is done.

    An answer is kept when it is final: refusals that the sender must mend, too, but none that asks for the same request
    again (408, 429, 5xx, or one with an event to be sent again). Where nobody can be asked, `work` is done, and the
    answer says `Degraded: idempotency`. `trace` is what a refusal names.

    Raises:
        RequestInFlight: the same request is still at work.
        KeyUsed: the key was used for another request.
    """
    if identity is None:
        return await work()
    beginning = await answers.begin(tenant, identity.key, identity.fingerprint)
    match beginning:
        case Begun():
            return await _kept(answers, tenant, identity, trace, work)
        case Answer(status, headers, content):
            return Response(content, status, headers | {REPLAYED: "true"})
        case Away():
            return _degraded(await work())
        case InFlight():
            raise RequestInFlight("The request with this Idempotency-Key is still at work.", retry_after_seconds=1)
        case Mismatch():
            fault = Fault("", HEADER.replace("-", "_"), "Use another key for another request.")
            raise KeyUsed("The Idempotency-Key was used for another request.", faults=(fault,))
        case _ as unreachable:
            assert_never(unreachable)


async def _kept(
    answers: Answers, tenant: str, identity: Identity, trace: Trace, work: Callable[[], Awaitable[Response]]
) -> Response:
    key, fingerprint = identity.key, identity.fingerprint
    try:
        try:
            response = await work()
        except Invalid as failure:
            response = problem_response(failure, trace)
        if not _is_final(response):
            await answers.abandon(tenant, key, fingerprint)
            return response
    except BaseException:
        await answers.abandon(tenant, key, fingerprint)
        raise
    headers = {name: value for name, value in response.headers.items() if name not in _NOT_KEPT}
    answer = Answer(response.status_code, headers, bytes(response.body))
    kept = await answers.finish(tenant, key, fingerprint, answer)
    return response if kept else _degraded(response)


def _is_final(response: Response) -> bool:
    status = response.status_code
    if status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS) or status >= 500:
        return False
    return status != HTTPStatus.MULTI_STATUS or not any(word in bytes(response.body) for word in _AGAIN)


def _degraded(response: Response) -> Response:
    names = [name for name in (response.headers.get(DEGRADED), "idempotency") if name]
    response.headers[DEGRADED] = ", ".join(names)
    return response


def _key(given: list[str]) -> str:
    match = _KEY.fullmatch(given[0].strip()) if len(given) == 1 else None
    if match is None:
        fault = Fault("", "idempotency_key", "Send one Idempotency-Key of 1 to 255 printable ASCII characters.")
        raise Malformed("The Idempotency-Key cannot be read.", faults=(fault,))
    quoted: str | None = match[1]
    return match[2] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)


def _fingerprint(request: Request, body: bytes) -> bytes:
    path, query = request.scope["path"].encode(), request.scope["query_string"]
    content_type = request.headers.get("content-type", "")
    attributes = sorted(pair for pair in request.headers.items() if pair[0].startswith(_ATTRIBUTE))
    words = [content_type, *(word for pair in attributes for word in pair)]
    digest = hashlib.sha256()
    for part in (request.method.encode(), path, query, _plain(request, body), *(word.encode() for word in words)):
        digest.update(len(part).to_bytes(4, "big") + part)
    return digest.digest()


def _plain(request: Request, body: bytes) -> bytes:
    """The body before its content encoding: gzip writes the time of day, so the same body differs when sent again."""
    try:
        return decoded(body, request.headers.items(), _TOO_LARGE, MAX_BATCH_BYTES)
    except Invalid:
        return body  # which `work` refuses
