"""A function that CloudFormation runs: whatever happens, its answer arrives."""

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.error import HTTPError

import pytest

from shared.runtime import loop
from shared.runtime.deployment import deployment_handler

IDENTITY = {
    "StackId": "arn:aws:cloudformation:eu-central-1:111122223333:stack/local/0f1e2d3c",
    "RequestId": "5e0c1d2b-3a49-4857-8675-a4b3c2d1e0f9",
    "LogicalResourceId": "Migration",
}


class Context:
    """Lambda's own, as far as it is asked."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self._seconds * 1000)


CONTEXT = Context(120)


@dataclass
class Bucket:
    """Stands where S3 does: takes what is PUT, after refusing it `refusals` times."""

    url: str = ""
    refusals: int = 0
    answers: list[dict[str, Any]] = field(default_factory=list)
    content_types: list[str | None] = field(default_factory=list)
    requests: int = 0

    def event(self, request: str) -> dict[str, Any]:
        return IDENTITY | {"RequestType": request, "ResponseURL": self.url, "ResourceProperties": {}}


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    """One that takes everything at once."""
    made = Bucket()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.requests += 1
            if made.requests > made.refusals:
                made.answers.append(json.loads(body))
                made.content_types.append(self.headers["Content-Type"])
            self.send_response(200 if made.requests > made.refusals else 503)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing: the tests say what happened."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        made.url = f"http://127.0.0.1:{server.server_port}/answer?signature=abc"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        server.shutdown()
        thread.join()


class Work:
    """What a deploy is to do, and how often it was done."""

    def __init__(self, error: Exception | None = None) -> None:
        self.done = 0
        self._error = error

    async def __call__(self) -> Mapping[str, Any]:
        self.done += 1
        if self._error:
            raise self._error
        return {"Revision": "0001"}


@pytest.mark.parametrize("request_type", ["Create", "Update"])
def test_work_that_succeeds_gives_the_resource_its_attributes(bucket: Bucket, request_type: str) -> None:
    work = Work()
    deployment_handler("migrate", work)(bucket.event(request_type), CONTEXT)
    assert work.done == 1
    expected = {"Status": "SUCCESS", "PhysicalResourceId": "migrate", "Data": {"Revision": "0001"}}
    assert bucket.answers == [IDENTITY | expected]


def test_the_answer_has_the_empty_content_type_that_was_signed(bucket: Bucket) -> None:
    deployment_handler("migrate", Work())(bucket.event("Create"), CONTEXT)
    assert bucket.content_types == [""]


def test_work_that_fails_says_why(bucket: Bucket) -> None:
    deployment_handler("migrate", Work(ValueError("no table")))(bucket.event("Update"), CONTEXT)
    (answer,) = bucket.answers
    assert answer == IDENTITY | {
        "Status": "FAILED",
        "Reason": "migrate: ValueError: no table",
        "PhysicalResourceId": "migrate",
        "Data": {},
    }


def test_a_long_reason_is_cut(bucket: Bucket) -> None:
    # CloudFormation takes an answer of 4,096 bytes.
    deployment_handler("migrate", Work(ValueError("x" * 100_000)))(bucket.event("Create"), CONTEXT)
    assert len(json.dumps(bucket.answers[0])) < 4096


def test_a_resource_that_is_deleted_takes_nothing_with_it(bucket: Bucket) -> None:
    work = Work()
    deployment_handler("migrate", work)(bucket.event("Delete"), CONTEXT)
    assert work.done == 0
    assert bucket.answers[0]["Status"] == "SUCCESS"


def test_a_resource_keeps_its_identity_over_an_update(bucket: Bucket) -> None:
    handler = deployment_handler("migrate", Work())
    handler(bucket.event("Create"), CONTEXT)
    handler(bucket.event("Update"), CONTEXT)
    assert {answer["PhysicalResourceId"] for answer in bucket.answers} == {"migrate"}


def test_an_answer_that_is_refused_is_sent_again(bucket: Bucket) -> None:
    bucket.refusals = 2
    work = Work()
    deployment_handler("migrate", work)(bucket.event("Create"), CONTEXT)
    assert (bucket.requests, len(bucket.answers), work.done) == (3, 1, 1)


def test_an_answer_that_is_always_refused_fails_the_function(bucket: Bucket) -> None:
    bucket.refusals = 99
    with pytest.raises(HTTPError) as refused:
        deployment_handler("migrate", Work())(bucket.event("Create"), CONTEXT)
    refused.value.close()
    assert bucket.requests == 3


def test_work_that_does_not_end_is_told_before_the_function_s_time_is_up(bucket: Bucket) -> None:
    released = asyncio.Event()

    async def silent() -> Mapping[str, Any]:
        while not released.is_set():  # a cancellation is held up as well, as by a database that does not answer
            with suppress(asyncio.CancelledError):
                await released.wait()
        return {}

    deployment_handler("migrate", silent)(bucket.event("Create"), Context(15.2))
    (answer,) = bucket.answers
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith("migrate: TimeoutError: not done 15 s before")
    released.set()
    loop.run(asyncio.sleep(0.01))
