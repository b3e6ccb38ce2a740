"""A body of any encoding and of any bytes passes the gateway whole, and so do the answers to it."""

import base64
import gzip
import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest
from backports import zstd

from tests.fixtures.deployment import read_back

EVERY_BYTE = bytes(range(256)) * 8
ENCODINGS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstd.compress}


def an_event() -> dict[str, Any]:
    return {"type": "test.body", "source": "urn:test", "id": str(uuid4()), "data": {"text": "ü€😀" * 200}}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_compressed_event_is_read_back_as_it_was(api: httpx.Client, encoding: str) -> None:
    event = an_event()
    body = ENCODINGS[encoding](json.dumps(event).encode())
    headers = {"content-type": "application/json", "content-encoding": encoding}
    accepted = api.post("/v1/events", content=body, headers=headers)
    assert accepted.status_code == 202, accepted.text
    assert read_back(api, str(event["id"]))["data"] == event["data"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_compressed_batch_of_lines_is_read_back_as_it_was(api: httpx.Client, encoding: str) -> None:
    events = [an_event() for _ in range(20)]
    body = ENCODINGS[encoding]("\n".join(map(json.dumps, events)).encode())
    headers = {"content-type": "application/x-ndjson", "content-encoding": encoding}
    answer = api.post("/v1/events/batch", content=body, headers=headers)
    assert answer.status_code == 202, answer.text
    assert answer.json()["accepted"] == 20
    for event in events:
        assert read_back(api, str(event["id"]))["data"] == event["data"]


def binary(content_type: str, id_: str) -> dict[str, str]:
    attributes = {"specversion": "1.0", "id": id_, "source": "urn:t%20%E2%82%AC", "type": "test.binary"}
    return {"content-type": content_type, **{f"ce-{name}": value for name, value in attributes.items()}}


def test_every_byte_of_binary_data_arrives(api: httpx.Client) -> None:
    id_ = str(uuid4())
    accepted = api.post("/v1/events", content=EVERY_BYTE, headers=binary("application/octet-stream", id_))
    assert accepted.status_code == 202, accepted.text
    found = read_back(api, id_)
    assert base64.b64decode(found["data_base64"]) == EVERY_BYTE
    assert found["source"] == "urn:t €"
    assert found["datacontenttype"] == "application/octet-stream"


def test_binary_data_that_is_compressed_on_its_way_arrives_as_it_was(api: httpx.Client) -> None:
    id_ = str(uuid4())
    headers = binary("image/png", id_) | {"content-encoding": "gzip"}
    accepted = api.post("/v1/events", content=gzip.compress(EVERY_BYTE), headers=headers)
    assert accepted.status_code == 202, accepted.text
    assert base64.b64decode(read_back(api, id_)["data_base64"]) == EVERY_BYTE


def test_text_stays_text(api: httpx.Client) -> None:
    id_ = str(uuid4())
    accepted = api.post("/v1/events", content="zwölf €".encode(), headers=binary("text/plain; charset=utf-8", id_))
    assert accepted.status_code == 202, accepted.text
    assert read_back(api, id_)["data"] == "zwölf €"


def test_answers_stay_text_though_every_body_is_handed_over_as_bytes(api: httpx.Client) -> None:
    limits = api.get("/v1/limits")
    assert limits.headers["content-type"] == "application/json"
    assert set(limits.json()["content_encodings"]) >= {"gzip", "zstd"}
    document = api.get("/openapi.json")
    assert document.json()["openapi"].startswith("3.1")
    page = api.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    # Relative: the stage of the gateway stands before our paths.
    assert "'openapi.json'" in page.text
    refused = api.post("/v1/events", content=EVERY_BYTE, headers={"content-type": "application/json"})
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["status"] == refused.status_code == 400
