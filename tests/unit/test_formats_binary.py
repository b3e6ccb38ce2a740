"""One event as CloudEvents 1.0, binary: attributes in headers, data in the body."""

import json
from base64 import b64encode

import pytest
from starlette.datastructures import Headers

from shared.events.draft import Draft
from shared.events.formats import parse_batch, parse_event
from shared.events.limits import MAX_EVENT_BYTES
from shared.events.media import PLAIN, STRUCTURED
from shared.events.model import written
from shared.kit.errors import Invalid, Malformed, TooLarge, Unprocessable, UnsupportedMedia
from tests.fixtures.events import MOMENT

REQUIRED = {"ce-specversion": "1.0", "ce-id": "order-1", "ce-source": "/shop", "ce-type": "order.placed"}


def parse(body: bytes = b"", content_type: str | None = None, **attributes: str) -> Draft:
    headers = REQUIRED | {f"ce-{name}": value for name, value in attributes.items()}
    return parse_event(body, headers | ({"content-type": content_type} if content_type else {}), now=MOMENT)


def refused(
    kind: type[Invalid], body: bytes = b"", content_type: str | None = None, **attributes: str
) -> list[tuple[str, str]]:
    with pytest.raises(kind) as failure:
        parse(body, content_type, **attributes)
    assert type(failure.value) is kind
    return [(fault.pointer, fault.code) for fault in failure.value.faults]


def test_attributes_are_read_from_headers() -> None:
    draft = parse(subject="x", time="2026-01-02T03:04:05Z", dataschema="/schema", region="eu", partitionkey="k")
    assert (draft.id, draft.source, draft.type, draft.subject) == ("order-1", "/shop", "order.placed", "x")
    assert draft.time is not None
    assert (draft.dataschema, draft.key) == ("/schema", "k")
    assert draft.extensions == {"region": "eu", "partitionkey": "k"}


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Gr%C3%BC%C3%9Fe%20%F0%9F%9A%80", "Grüße 🚀"),
        ("Gr\xc3\xbc\xc3\x9fe", "Grüße"),
        ("100%", "100%"),
        ("%zz%4", "%zz%4"),
        ("%2541", "%41"),
        ('"a \\"b\\" \\\\ c"', 'a "b" \\ c'),
        ('"%22"', '"'),
        ("a\\b", "a\\b"),
        (" a b \t", "a b"),
        ("a+b", "a+b"),
    ],
)
def test_a_header_is_unquoted_and_percent_decoded_once(header: str, value: str) -> None:
    assert parse(subject=header).subject == value


@pytest.mark.parametrize("header", ["%ff", "%C3%28", "caf\xe9", "%ED%A0%80"])
def test_a_header_that_is_not_utf8_is_malformed(header: str) -> None:
    assert refused(Malformed, subject=header) == [("/subject", "utf8")]


@pytest.mark.parametrize("header", ["a%00b", "a%0Ab", "%C2%85", "%EF%BF%BE"])
def test_a_character_that_no_attribute_may_hold_is_refused_after_decoding(header: str) -> None:
    assert refused(Unprocessable, subject=header) == [("/subject", "characters")]
    assert refused(Unprocessable, region=header) == [("/region", "characters")]


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/vnd.a+json; charset=utf-8", "text/json", None]
)
def test_json_stays_json(content_type: str | None) -> None:
    draft = parse(b' {"a": 1.0, "b":\t[]}\r\n', content_type)
    assert written(draft.data) == b'{"a": 1.0, "b":\t[]}'
    assert (draft.data_base64, draft.datacontenttype) == (None, content_type)


@pytest.mark.parametrize("content_type", ["text/plain", "text/csv; charset=UTF-8", "TEXT/xml;charset=us-ascii"])
def test_text_becomes_a_json_string(content_type: str) -> None:
    draft = parse(' "a"\n\té🚀 '.encode(), content_type)
    assert json.loads(written(draft.data) or b"") == ' "a"\n\té🚀 '
    assert draft.datacontenttype == content_type


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"\0\xff", "application/octet-stream"),
        (b"plain", "application/xml"),
        (b"caf\xe9", "text/plain; charset=latin-1"),
        (b"caf\xe9", "text/plain"),
        (b"a\0b", "text/plain"),
        (b"\x01" * 60_000, "text/plain"),
        (b"not json", None),
    ],
)
def test_all_else_is_kept_as_bytes(body: bytes, content_type: str | None) -> None:
    draft = parse(body, content_type)
    assert draft.data_base64 == b64encode(body).decode()
    assert written(draft.data) is None


def test_no_body_is_no_data() -> None:
    draft = parse(b"", "application/json")
    assert (written(draft.data), draft.data_base64, draft.datacontenttype) == (None, None, "application/json")


@pytest.mark.parametrize("body", [b"{", b"NaN", b"{} {}", b"\xef\xbb\xbf{}", b" "])
def test_what_says_that_it_is_json_must_be(body: bytes) -> None:
    assert refused(Malformed, body, "application/json") == [("/data", "json")]


def test_json_must_be_utf8() -> None:
    assert refused(Malformed, b'"\xff"', "application/json") == [("/data", "utf8")]


def test_json_that_storage_would_refuse_is_refused() -> None:
    assert refused(Unprocessable, b'{"a": "\\u0000"}', "application/json") == [("/data/a", "nul")]


@pytest.mark.parametrize("name", REQUIRED)
def test_a_required_attribute_that_is_missing_is_named(name: str) -> None:
    with pytest.raises(Unprocessable) as failure:
        parse_event(b"", {known: value for known, value in REQUIRED.items() if known != name}, now=MOMENT)
    assert [(fault.pointer, fault.code) for fault in failure.value.faults] == [(f"/{name[3:]}", "required")]


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("datacontenttype", "text/plain", "unknown_field"),
        ("data", "1", "unknown_field"),
        ("data_base64", "aGk=", "unknown_field"),
        ("tenant", "other", "unknown_field"),
        ("receivedat", "2026-01-02T03:04:05Z", "unknown_field"),
        ("received_at", "2026-01-02T03:04:05Z", "unknown_field"),
        ("a-b", "1", "unknown_field"),
        ("", "1", "unknown_field"),
        ("subject", "", "length"),
        ("subject", "x" * 1025, "length"),
        ("id", "x" * 256, "length"),
        ("specversion", "0.3", "value"),
        ("time", "yesterday", "time"),
        ("time", "0001-01-01T00:00:00Z", "time"),
    ],
)
def test_a_header_that_breaks_a_rule_is_named(name: str, value: str, code: str) -> None:
    assert refused(Unprocessable, b"", None, **{name: value}) == [(f"/{name}", code)]


def test_a_header_that_was_sent_twice_is_refused() -> None:
    raw = [(name.encode(), value.encode()) for name, value in REQUIRED.items()]
    with pytest.raises(Unprocessable) as failure:
        parse_event(b"", Headers(raw=[*raw, (b"ce-id", b"order-2"), (b"ce-source", b"/shop")]), now=MOMENT)
    found = [(fault.pointer, fault.code) for fault in failure.value.faults]
    assert found == [("/id", "repeated"), ("/source", "repeated")]


def test_a_content_type_that_was_sent_twice_is_not_read() -> None:
    raw = [(name.encode(), value.encode()) for name, value in REQUIRED.items()]
    types = [(b"content-type", b"application/json"), (b"content-type", b"application/cloudevents+json")]
    with pytest.raises(UnsupportedMedia):
        parse_event(b"{}", Headers(raw=[*raw, *types]), now=MOMENT)


def test_a_content_type_of_cloudevents_decides_against_binary_mode() -> None:
    body = json.dumps({"specversion": "1.0", "id": "in-the-body", "source": "/s", "type": "t"}).encode()
    assert parse(body, STRUCTURED, tenant="other").id == "in-the-body"
    assert refused(UnsupportedMedia, body, "application/cloudevents+avro") == [("", "content_type")]


def test_headers_of_an_event_beside_a_batch_are_refused() -> None:
    with pytest.raises(Unprocessable) as failure:
        parse_batch(b'[{"type": "t", "data": 1}]', REQUIRED | {"content-type": PLAIN}, now=MOMENT)
    assert [(fault.pointer, fault.code) for fault in failure.value.faults] == [("", "binary_batch")]


def test_data_may_be_as_large_as_an_event() -> None:
    assert parse(b"x" * MAX_EVENT_BYTES, "text/plain")
    assert refused(TooLarge, b"x" * (MAX_EVENT_BYTES + 1), "text/plain") == [("", "event_too_large")]


def test_a_content_type_that_is_no_attribute_is_refused() -> None:
    assert refused(Unprocessable, b"x", "text/" + "x" * 255) == [("/datacontenttype", "length")]
    assert refused(Unprocessable, b"x", "text/\x85") == [("/datacontenttype", "characters")]
