"""The OpenAPI document says what is so: it is written, complete, and its examples are answered as it says."""

import json
from typing import Any

import pytest
from fastapi import FastAPI
from jsonschema_rs import Draft202012Validator

from functions.catalog import FUNCTIONS, Http
from functions.openapi import FILE, written
from shared.deadletters.model import NewLetter
from shared.events.envelope import encode
from shared.runtime.http import create_app
from tests.fixtures.doors import IngestDoor, ManageDoor, QueryDoor, client_of
from tests.fixtures.events import a_record, an_event
from tests.fixtures.letters import a_new_letter

DOCUMENT = json.loads(written())
OPERATIONS = [(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods]
EXAMPLES = [
    pytest.param(method, path, media_type, example["value"], id=f"{method} {path} {media_type} {name}")
    for method, path in OPERATIONS
    for media_type, content in DOCUMENT["paths"][path][method.lower()].get("requestBody", {}).get("content", {}).items()
    for name, example in content["examples"].items()
]
ANSWERS = [
    pytest.param(media_type, content, id=f"{method} {path} {status}")
    for method, path in OPERATIONS
    for status, answer in DOCUMENT["paths"][path][method.lower()]["responses"].items()
    for media_type, content in answer.get("content", {}).items()
    if "example" in content
]


def whole(manage: ManageDoor | None = None) -> FastAPI:
    """All HTTP functions behind one door, as API Gateway puts them."""
    return create_app(IngestDoor().router, (manage or ManageDoor()).router, QueryDoor().router)


async def manage_with(*letters: NewLetter) -> ManageDoor:
    door = ManageDoor()
    await door.letters.bury(letters)
    return door


def valid(schema: dict[str, Any], value: object) -> bool:
    resolved = schema | {"components": DOCUMENT["components"]}
    return Draft202012Validator(resolved, offline=True).is_valid(value)


def test_the_file_is_what_the_code_says() -> None:
    assert FILE.read_text() == written(), "python -m functions.openapi --write"


def test_every_route_is_described_and_nothing_else() -> None:
    routes = {
        (route.method, route.path)
        for function in FUNCTIONS
        if isinstance(function.trigger, Http)
        for route in function.trigger.routes
    }
    assert set(OPERATIONS) == routes


def test_every_operation_has_a_name_of_its_own_and_a_summary() -> None:
    operations = [DOCUMENT["paths"][path][method.lower()] for method, path in OPERATIONS]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert all(operation["summary"] for operation in operations)


def test_every_reference_leads_somewhere() -> None:
    text = json.dumps(DOCUMENT)
    names = {piece.split('"')[0] for piece in text.split("#/components/schemas/")[1:]}
    assert names <= DOCUMENT["components"]["schemas"].keys()


@pytest.mark.parametrize(("media_type", "content"), ANSWERS)
def test_the_example_of_an_answer_fits_its_schema(media_type: str, content: dict[str, Any]) -> None:
    assert valid(content["schema"], content["example"]), media_type


@pytest.mark.parametrize(("method", "path", "media_type", "example"), EXAMPLES)
async def test_the_example_of_a_body_is_taken(method: str, path: str, media_type: str, example: Any) -> None:
    described = DOCUMENT["paths"][path][method.lower()]
    sent = example.encode() if isinstance(example, str) else json.dumps(example).encode()
    letter = a_new_letter()
    async with client_of(whole(await manage_with(letter))) as client:
        target = path.replace("{type}", "order.placed").replace("{id}", str(letter.letter.id))
        if target.endswith("/check"):
            await client.put("/v1/event-types/order.placed", content=sent)
        response = await client.request(method, target, content=sent, headers={"content-type": media_type})
    assert response.status_code in (200, 201, 202), response.text
    answer = described["responses"][str(response.status_code)]
    assert valid(answer["content"]["application/json"]["schema"], response.json())
    undescribed = {name.title() for name in response.headers} - {name.title() for name in answer["headers"]}
    assert undescribed <= {"Content-Type", "Content-Length"}


@pytest.mark.parametrize(("media_type", "example"), [(each.values[2], each.values[3]) for each in EXAMPLES[:2]])
def test_the_example_of_an_event_fits_its_schema(media_type: str, example: Any) -> None:
    content = DOCUMENT["paths"]["/v1/events"]["post"]["requestBody"]["content"][media_type]
    assert valid(content["schema"], example)


async def test_an_event_that_is_read_back_is_as_described() -> None:
    door = QueryDoor()
    await door.store.store([a_record(an_event("order-1"))])
    async with client_of(door.app) as client:
        event, page = await client.get("/v1/events/order-1"), await client.get("/v1/events")
    assert valid({"$ref": "#/components/schemas/StoredEvent"}, event.json())
    assert valid({"$ref": "#/components/schemas/Page"}, page.json())


async def test_a_letter_that_is_read_and_edited_is_as_described() -> None:
    stored = a_new_letter(value=encode(an_event()))
    async with client_of(whole(await manage_with(stored, a_new_letter(value=b"\xff", tenant=None)))) as client:
        page = (await client.get("/v1/dead-letters")).json()
        assert valid({"$ref": "#/components/schemas/LetterPage"}, page)
        assert len(page["letters"]) == 2
        edit = {"event": {"type": "t", "data": 1}, "why": "w"}
        for each in page["letters"]:
            path = f"/v1/dead-letters/{each['id']}"
            letters = [await client.get(path), await client.patch(path, json=edit), await client.get(path)]
            assert [letter.status_code for letter in letters] == [200] * 3
            assert all(valid({"$ref": "#/components/schemas/Letter"}, letter.json()) for letter in letters)


async def test_the_document_is_served_without_a_key() -> None:
    async with client_of(whole(), key=None) as client:
        served, page = await client.get("/openapi.json"), await client.get("/docs")
        assert (await client.get("/asyncapi.json")).status_code == 401
    assert served.json() == DOCUMENT
    assert page.headers["content-type"].startswith("text/html")


async def test_the_page_finds_the_document_behind_a_stage() -> None:
    async with client_of(whole(), key=None) as client:
        page = (await client.get("/docs")).text
    assert "url: 'openapi.json'" in page
    assert "'/openapi.json'" not in page


async def test_the_types_of_a_tenant_are_an_asyncapi_document() -> None:
    definition = {"schema": {"type": "object"}, "mode": "warn"}
    async with client_of(whole()) as client:
        for name in ("order.placed", "order~sent"):
            assert (await client.put(f"/v1/event-types/{name}", json=definition)).status_code == 201
        document = (await client.get("/asyncapi.json")).json()
    assert document["asyncapi"] == "3.0.0"
    (channel,) = document["channels"].values()
    assert channel["messages"] == {
        "order.placed": {"$ref": "#/components/messages/order.placed"},
        "order~sent": {"$ref": "#/components/messages/order~0sent"},
    }
    assert document["components"]["messages"]["order.placed"]["payload"]["schema"] == {"type": "object"}


async def test_a_wrong_method_is_told_which_ones_there_are() -> None:
    async with client_of(whole()) as client:
        response = await client.delete("/v1/limits")
    assert (response.status_code, response.headers["allow"]) == (405, "GET")
