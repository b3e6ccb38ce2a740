"""HTTP to the API, as any client would speak it."""

import http.client
import json
import time
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

from millrace_harness.dev.failed import Failed

# API Gateway gives up on a function after 29 s, and says so; a little more, so that its answer is heard.
TIMEOUT_SECONDS = 35
# An answer of 503 asks to be tried again; a part that has just started needs a second or two.
TRIES = 5
_LONGEST_PAUSE_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `document` is the parsed body, or None where it is not JSON."""

    status: int
    document: Any
    retry_after_seconds: float


class Client:
    """One connection that is kept open; not for several threads."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        self._base = parts.path.rstrip("/")
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)
        self._headers = {"Authorization": f"Bearer {token}"}

    def get(self, path: str) -> Answer:
        """One GET.

        Raises:
            Failed: nothing answers, or not in time.
        """
        return self._request("GET", path, None)

    def post(self, path: str, document: object) -> Answer:
        """A POST of JSON, sent again after an answer of 503, at most `TRIES` times: events have ids of their own.

        Raises:
            Failed: nothing answers, or not in time.
        """
        body = json.dumps(document).encode()
        for _ in range(TRIES - 1):
            answer = self._request("POST", path, body)
            if answer.status != http.HTTPStatus.SERVICE_UNAVAILABLE:
                return answer
            time.sleep(min(answer.retry_after_seconds, _LONGEST_PAUSE_SECONDS))
        return self._request("POST", path, body)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def _request(self, method: str, path: str, body: bytes | None) -> Answer:
        headers = self._headers if body is None else {**self._headers, "Content-Type": "application/json"}
        try:
            self._connection.request(method, f"{self._base}{path}", body, headers)
            answer = self._connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as problem:
            self._connection.close()
            raise Failed(f"{method} {path} got no answer ({problem!r}): run localstack/dev doctor.") from problem
        return Answer(answer.status, _parsed(content), float(answer.headers.get("Retry-After") or 1))


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None
