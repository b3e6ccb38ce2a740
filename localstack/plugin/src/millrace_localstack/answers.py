"""Where functions put their answers to CloudFormation: addresses that cannot be guessed, each good for one PUT."""

import json
import secrets
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from localstack import config
from localstack.http import Response
from localstack.services.edge import ROUTER
from werkzeug import Request

type Answer = Future[Mapping[str, Any]]

PATH = "/_millrace/answers"
SECRET_BYTES = 32
_open: dict[str, Answer] = {}


def serve() -> None:
    """Take answers from now on."""
    ROUTER.add(f"{PATH}/<secret>", _take, methods=["PUT"])


@contextmanager
def expected() -> Iterator[tuple[str, Answer]]:
    """An address, on loopback like everything here, and what is put there; nothing can be put after the block."""
    secret = secrets.token_urlsafe(SECRET_BYTES)
    answer: Answer = Future()
    _open[secret] = answer
    try:
        yield f"http://127.0.0.1:{config.GATEWAY_LISTEN[0].port}{PATH}/{secret}", answer
    finally:
        _open.pop(secret, None)


def _take(request: Request, secret: str) -> Response:
    try:
        document = json.loads(request.get_data())
    except ValueError:
        return Response("The answer is not JSON.", status=400)
    if not isinstance(document, dict):
        return Response("The answer is not a JSON object.", status=400)
    answer = _open.pop(secret, None)
    if answer is None:
        return Response("Nobody waits for this answer.", status=403)
    answer.set_result(document)
    return Response(status=200)
