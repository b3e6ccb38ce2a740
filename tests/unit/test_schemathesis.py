"""Schemathesis reads the OpenAPI document and looks for a request that is not answered as that says."""

import json
from typing import Any

import pytest
import schemathesis
from hypothesis import Phase, settings
from pytest_socket import enable_socket
from schemathesis.config import SchemathesisConfig

from functions.openapi import written
from shared.adapters.memory.answers import MemoryAnswers
from shared.deadletters.model import StoredLetter
from shared.events.topics import EVENTS
from shared.idempotency.ports import Beginning, Begun
from shared.runtime.http import create_app
from tests.fixtures.doors import KEY, IngestDoor, ManageDoor, QueryDoor
from tests.fixtures.events import MOMENT
from tests.fixtures.letters import a_letter

# NUL is what storage cannot hold, and no JSON Schema can say so of every string in any JSON. What breaks the schema is
# sent too, and must be answered as described; that it is refused is the business of test_bad_input, because a header
# that nobody knows counts as such a breach, and no server refuses those.
_CONFIG = SchemathesisConfig.from_dict(
    {
        "generation": {"allow-x00": False, "codec": "utf-8"},
        "headers": {"authorization": f"Bearer {KEY}"},
        "checks": {"unsupported_method": {"enabled": False}, "negative_data_rejection": {"enabled": False}},
    }
)


@schemathesis.serializer("application/x-ndjson")
def _lines(_: object, value: object) -> bytes:
    return value.encode(errors="replace") if isinstance(value, str) else json.dumps(value).encode()


class _Forgetful(MemoryAnswers):
    """Keys are made up at random, and two requests with one key would rightly be refused."""

    async def begin(self, tenant: str, key: str, fingerprint: bytes) -> Beginning:
        return Begun()


# The letter of the document's example, so that some requests find one.
MANAGE = ManageDoor(answers=_Forgetful())
LETTER = a_letter(topic=EVENTS.name, partition=3, offset=17)
MANAGE.letters.letters[LETTER.id] = StoredLetter(letter=LETTER, buried_at=MOMENT)
APP = create_app(IngestDoor(answers=_Forgetful()).router, MANAGE.router, QueryDoor().router)
SCHEMA = schemathesis.openapi.from_dict(json.loads(written()), config=_CONFIG)
SCHEMA.app = APP


@pytest.fixture(autouse=True)
def _loop_of_the_client(_no_sockets: None) -> None:
    # The client that schemathesis brings runs a loop of its own, which wakes itself through a pair of sockets.
    enable_socket()


def _dated(body: dict[str, Any]) -> None:
    """Give a body of a job's moments that can be, in an order that can be."""
    wanted = body.get("filter")
    if isinstance(wanted, dict):
        wanted.pop("since", None)
        wanted.pop("until", None)
    if {"from", "to"} <= body.keys():
        body |= {"from": "2026-03-04T00:00:00Z", "to": "2026-03-05T00:00:00Z"}


@SCHEMA.parametrize()
@settings(max_examples=60, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])
def test_every_request_is_answered_as_described(case: schemathesis.Case[Any]) -> None:
    # What no schema can say: which years a date can have, that it is not past or comes after another, that a cursor
    # must be one of ours, and which version of a type is the last.
    for event in case.body if isinstance(case.body, list) else [case.body]:
        for part in (event, event.get("event")) if isinstance(event, dict) else ():
            if isinstance(part, dict):
                part.pop("expirytime", None)
                part.pop("time", None)
        if isinstance(event, dict):
            _dated(event)
    for given, name in ((case.query, "cursor"), (case.headers, "If-Match")):
        if given and name in given:
            del given[name]
    case.call_and_validate()
