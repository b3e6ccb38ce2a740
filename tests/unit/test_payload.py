"""How Lambda's own runtime is made to read a Kafka event at once."""

import json
import sys
from types import ModuleType
from typing import Any

import pytest
from awslambdaric import bootstrap
from awslambdaric.lambda_runtime_client import BaseLambdaRuntimeClient
from awslambdaric.lambda_runtime_marshaller import LambdaMarshaller

from shared.runtime import payload
from shared.runtime.batch import batch_handler
from shared.runtime.msk import KafkaEvent, event_of
from tests.fixtures.persist import PersistRoom
from tests.fixtures.samples import sample


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BaseLambdaRuntimeClient, "marshaller", LambdaMarshaller())


class Client(BaseLambdaRuntimeClient):  # type: ignore[misc]
    """The runtime's client without the platform: it keeps what it would post."""

    def __init__(self) -> None:
        self.posted: list[Any] = []

    def post_invocation_result(self, invoke_id: str, result: Any, *rest: Any) -> None:
        self.posted.append(json.loads(result))

    def post_invocation_error(self, invoke_id: str, error: str, *rest: Any) -> None:
        raise AssertionError(error)


def invoked(handler: Any, event: bytes) -> Any:
    """What the runtime itself answers to an invocation."""
    client = Client()
    none: list[None] = [None] * 2
    bootstrap.handle_event_request(client, handler, "id", event, "application/json", *none, "arn", 0, None, None)
    return client.posted[0]


def test_the_runtime_hands_a_kafka_event_over_as_records() -> None:
    seen: list[object] = []
    assert payload.read_by(event_of)
    assert invoked(lambda event, _: seen.append(event), json.dumps(sample("msk.json")).encode()) is None
    assert [type(event) for event in seen] == [KafkaEvent]


def test_a_batch_handler_reads_by_itself_and_answers_as_ever() -> None:
    room = PersistRoom()
    handler = batch_handler(room.persist)
    assert isinstance(BaseLambdaRuntimeClient.marshaller, payload.Marshaller)
    room.dead.away = True
    answered = invoked(handler, json.dumps(sample("msk.json")).encode())
    assert answered == handler(sample("msk.json"), None)
    assert answered["batchItemFailures"]


def test_what_is_no_kafka_event_is_read_as_ever() -> None:
    seen: list[object] = []
    payload.read_by(event_of)
    invoked(lambda event, _: seen.append(event), b'{"key1": [1, "value"]}')
    assert seen == [{"key1": [1, "value"]}]


def test_asked_twice_the_second_reader_counts_and_what_was_there_first_stays_behind_it() -> None:
    payload.read_by(lambda _: 1)
    payload.read_by(lambda _: 2)
    assert BaseLambdaRuntimeClient.marshaller.unmarshal_request(b"{}") == 2
    assert isinstance(BaseLambdaRuntimeClient.marshaller.before, LambdaMarshaller)


@pytest.mark.parametrize("module", [None, ModuleType("later")])
def test_a_runtime_without_such_a_client_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType | None
) -> None:
    monkeypatch.setitem(sys.modules, "awslambdaric.lambda_runtime_client", module)
    assert not payload.read_by(event_of)
