"""The HTTP functions as API Gateway sees them.

Not one of these tests is asynchronous: a function brings its own loop, which cannot run inside another.
"""

import asyncio
import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from shared.adapters.memory.admission import MemoryWaiters
from shared.events.model import Event, NotAppended
from shared.events.outage import LOG_SECONDS
from shared.runtime import loop
from shared.runtime.http import LambdaHandler, lambda_handler
from tests.fixtures.apart import apart
from tests.fixtures.doors import IngestDoor, QueryDoor
from tests.fixtures.events import a_record, an_event
from tests.fixtures.samples import sample


@pytest.fixture
def door() -> IngestDoor:
    """One with an empty log."""
    return IngestDoor()


@pytest.fixture
def handler(door: IngestDoor) -> LambdaHandler:
    """The function behind the door."""
    return lambda_handler(door.app)


def request_for(path: str, method: str = "GET", query: dict[str, str] | None = None) -> dict[str, Any]:
    """The sample, asking for something else."""
    values = {name: [value] for name, value in query.items()} if query else None
    return sample("apigateway-v1.json") | {
        "path": path,
        "httpMethod": method,
        "body": None,
        "queryStringParameters": query,
        "multiValueQueryStringParameters": values,
    }


def test_an_event_is_accepted(handler: LambdaHandler, door: IngestDoor) -> None:
    answer = handler(sample("apigateway-v1.json"), None)
    assert answer["statusCode"] == 202
    assert answer["isBase64Encoded"] is False
    assert json.loads(answer["body"])["id"] == "order-1"
    assert door.log.records()[0].event.id == "order-1"


def test_a_request_keeps_the_id_and_the_trace_it_came_with(handler: LambdaHandler) -> None:
    event = sample("apigateway-v1.json")
    headers = handler(event, None)["headers"]
    assert headers["x-request-id"] == event["requestContext"]["requestId"]
    assert headers["traceparent"][:35] == event["headers"]["traceparent"][:35]
    assert headers["location"] == "events/order-1"


def test_a_body_in_base64_is_read(handler: LambdaHandler, door: IngestDoor) -> None:
    event = sample("apigateway-v1.json") | {"body": "eyJ0eXBlIjoidCIsImRhdGEiOiLDqSJ9", "isBase64Encoded": True}
    assert handler(event, None)["statusCode"] == 202
    assert bytes(door.log.records()[0].event.data) == '"é"'.encode()


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"body": "{"}, 400),
        ({"body": None}, 400),
        ({"multiValueHeaders": {}, "headers": {}}, 401),
        ({"path": "/nothing"}, 404),
        ({"httpMethod": "PATCH"}, 405),
        ({"body": '{"type":"t","data":"\\u0000"}'}, 422),
    ],
)
def test_a_problem_document_is_text(handler: LambdaHandler, changes: dict[str, Any], status: int) -> None:
    answer = handler(sample("apigateway-v1.json") | changes, None)
    assert answer["statusCode"] == status
    assert answer["isBase64Encoded"] is False
    assert answer["headers"]["content-type"] == "application/problem+json"
    assert json.loads(answer["body"])["status"] == status


def test_an_absent_log_is_told_to_api_gateway_as_well(handler: LambdaHandler, door: IngestDoor) -> None:
    door.log.away = door.spool.away = True
    answer = handler(sample("apigateway-v1.json"), None)
    assert answer["statusCode"] == 503
    assert answer["headers"]["retry-after"] == "2"


def test_the_function_outlives_whatever_others_do_to_the_loop(handler: LambdaHandler) -> None:
    with asyncio.Runner() as runner:
        runner.run(asyncio.sleep(0))  # leaves the thread without a loop, as asyncio.run does
    assert handler(request_for("/health/live"), None)["statusCode"] == 200
    assert asyncio.get_event_loop_policy().get_event_loop() is loop.environment_loop()


def test_an_environment_has_one_loop(handler: LambdaHandler) -> None:
    async def running() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    assert loop.run(running()) is loop.run(running()) is loop.environment_loop()


@pytest.fixture
def query() -> LambdaHandler:
    """`query` with one event stored."""
    door = QueryDoor()
    apart(door.store.store([a_record(an_event("a/b é"))]))
    return lambda_handler(door.app)


@pytest.mark.parametrize("path", ["/v1/events/a/b é", "/v1/events/a%2Fb%20%C3%A9"])
def test_an_event_is_found_however_its_path_is_written(query: LambdaHandler, path: str) -> None:
    answer = query(request_for(path), None)
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["id"] == "a/b é"


def test_query_parameters_arrive(query: LambdaHandler) -> None:
    answer = query(request_for("/v1/events", query={"limit": "1", "type": "test.made"}), None)
    assert [event["id"] for event in json.loads(answer["body"])["events"]] == ["a/b é"]
    assert query(request_for("/v1/events", query={"limit": "0"}), None)["statusCode"] == 422


class Context:
    """Lambda's context, as far as it is asked: so many milliseconds are left."""

    def __init__(self, milliseconds: int) -> None:
        self._milliseconds = milliseconds

    def get_remaining_time_in_millis(self) -> int:
        return self._milliseconds


@pytest.mark.parametrize(("left", "most"), [(1500, 1.0), (600, 0.1), (300, 0.0), (9000, LOG_SECONDS)])
def test_the_log_is_given_no_more_time_than_lambda_leaves(door: IngestDoor, left: int, most: float) -> None:
    given: list[float] = []

    async def append(events: list[Event], *, within: float) -> list[NotAppended]:
        given.append(within)
        return [NotAppended("late")] * len(events)

    door.log.append = append  # type: ignore[assignment, method-assign]  # to see what it is given
    answer = lambda_handler(door.app)(sample("apigateway-v1.json"), Context(left))
    assert answer["statusCode"] == 503
    assert all(within <= most for within in given)
    assert len(given) == (most > 0)  # without any time nobody is asked


def test_nobody_waits_for_a_row_longer_than_lambda_leaves(door: IngestDoor) -> None:
    given: list[float] = []

    class Waiters(MemoryWaiters):
        async def wait(self, waiter: str, keys: Sequence[UUID], *, seconds: float) -> set[UUID]:
            given.append(seconds)
            return set()

    door.waiters = Waiters()
    event = sample("apigateway-v1.json")
    event["multiValueHeaders"]["Prefer"] = ["wait=8"]
    assert lambda_handler(door.app)(event, Context(2500))["statusCode"] == 202
    assert given[0] <= 2.0


@pytest.mark.parametrize("name", ["ce-id", "Ce-Partitionkey"])
def test_an_attribute_that_is_sent_twice_is_refused_though_the_adapter_joins_headers(
    handler: LambdaHandler, door: IngestDoor, name: str
) -> None:
    event = sample("apigateway-v1.json")
    event["multiValueHeaders"] |= {"ce-specversion": ["1.0"], "ce-id": ["a"], "ce-type": ["t"], "ce-source": ["/s"]}
    assert handler(event, None)["statusCode"] == 202
    event["multiValueHeaders"][name] = ["b", "c"]
    answer = handler(event, None)
    assert answer["statusCode"] == 422
    assert json.loads(answer["body"])["errors"][0]["code"] == "repeated"
    assert len(door.events) == 1


def test_a_header_of_another_alphabet_beside_one_that_is_sent_twice_is_passed_over(handler: LambdaHandler) -> None:
    event = sample("apigateway-v1.json")
    event["multiValueHeaders"] |= {"x-\N{GREEK SMALL LETTER ALPHA}": ["1"], "accept": ["a/b", "c/d"]}
    assert handler(event, None)["statusCode"] == 202
