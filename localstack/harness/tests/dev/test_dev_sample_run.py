"""Sending and reading back, against a small API on loopback that answers as it is told."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from millrace_harness.dev import client
from millrace_harness.dev.failed import Failed
from millrace_harness.dev.sample_run import path_of, read_back, send

type Respond = Callable[[str, str, Any], tuple[int, Any]]
PROBLEM = {"title": "Service Unavailable", "detail": "The log is away."}


@contextmanager
def serving(respond: Respond) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(None)

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def log_message(self, *_: object) -> None:
            """Nothing: the test looks at what was asked."""

        def _answer(self, body: Any) -> None:
            assert self.headers["Authorization"] == "Bearer key"
            status, document = respond(self.command, self.path, body)
            content = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api/local"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Api:
    """Accepts events and gives each back from its second reading on."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.events: dict[str, Any] = {}
        self.read: set[str] = set()

    def __call__(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        self.paths.append(path)
        if method == "POST":
            self.events |= {event["id"]: event for event in (body if isinstance(body, list) else [body])}
            return 202, {}
        id_ = unquote(urlsplit(path).path.rpartition("/")[2])
        if id_ not in self.read:
            self.read.add(id_)
            return 404, {}
        return 200, self.events[id_]


EVENTS = [{"id": f"demo/{number}", "data": number} for number in range(25)]


def test_what_was_sent_is_read_back_in_order() -> None:
    api = Api()
    with serving(api) as url:
        sent = send(url, "key", EVENTS)
        assert read_back(url, "key", sent.ids, seconds=30) == EVENTS
    assert api.paths[:12] == ["/api/local/v1/events"] * 10 + ["/api/local/v1/events/batch"] * 2
    assert sent.first_answer_ms > 0


def test_an_event_that_never_comes_is_named() -> None:
    api = Api()

    def lose(method: str, path: str, body: Any) -> tuple[int, Any]:
        return (404, {}) if "demo%2F7?" in path else api(method, path, body)

    with serving(lose) as url:
        sent = send(url, "key", EVENTS)
        with pytest.raises(Failed, match=r"1 of 25 events could not be read back within 1 s \(demo/7\)"):
            read_back(url, "key", sent.ids, seconds=1)


def test_an_api_that_is_not_ready_is_asked_again() -> None:
    api, refusals = Api(), iter([True, True])

    def wake(method: str, path: str, body: Any) -> tuple[int, Any]:
        return (503, PROBLEM) if next(refusals, False) else api(method, path, body)

    with serving(wake) as url:
        assert len(send(url, "key", EVENTS).ids) == 25


def test_an_api_that_stays_away_is_given_up_with_its_own_reason() -> None:
    asked: list[str] = []

    def refuse(_: str, path: str, __: Any) -> tuple[int, Any]:
        asked.append(path)
        return 503, PROBLEM

    with serving(refuse) as url, pytest.raises(Failed, match=r"did not accept demo/0: 503, The log is away\.; see"):
        send(url, "key", EVENTS)
    assert len(asked) == client.TRIES


def test_an_answer_that_is_not_json_is_told_by_its_status() -> None:
    with serving(lambda *_: (500, "oops")) as url, pytest.raises(Failed, match="500, without a problem document"):
        read_back(url, "key", ["x"], seconds=30)


def test_no_answer_at_all_is_one_sentence() -> None:
    with serving(Api()) as url:
        pass
    with pytest.raises(Failed, match=r"POST /v1/events got no answer .* run localstack/dev doctor"):
        send(url, "key", EVENTS)


def test_an_id_with_a_slash_is_one_segment_of_the_path() -> None:
    assert path_of("a/b c") == "/v1/events/a%2Fb%20c?source=https%3A%2F%2Fgithub.com%2Fwebhooks"
