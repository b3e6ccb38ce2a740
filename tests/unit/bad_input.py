"""Requests that somebody will send one day, and what each is answered: read by `test_bad_input`.

`CANARY` stands in what was sent, and in no answer.
"""

import gzip
import json
import zlib
from typing import Any, NamedTuple

from backports import zstd

from shared.events.media import BATCH, LINES, PLAIN, STRUCTURED

CANARY = "c4n4ry"
GOOD: dict[str, Any] = {"type": "order.placed", "data": {"note": CANARY}}
CLOUD: dict[str, Any] = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "t", "data": CANARY}
BINARY = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/shop", "ce-type": "t"}
FORGED = ["tenant", "principal", "received_at", "partition_key", "partition", "offset", "position", "traceparent"]

type Faults = list[tuple[str, str]]


class Case(NamedTuple):
    """One request. `faults` are pointers and codes, in the order of the answer."""

    name: str
    body: bytes
    headers: list[tuple[str, str]]
    status: int
    code: str
    faults: Faults

    @property
    def media_type(self) -> str | None:
        """The content type, if one is sent."""
        return dict(self.headers).get("content-type")


def _case(name: str, body: bytes, status: int, faults: Faults, content_type: str | None, **headers: str) -> Case:
    codes = {
        202: "",
        400: "malformed",
        413: "too_large",
        415: "unsupported_media_type",
        422: "unprocessable",
    }
    given = [(header.replace("_", "-"), value) for header, value in headers.items()]
    typed = [("content-type", content_type)] if content_type is not None else []
    return Case(name, body, typed + given, status, codes[status], faults)


def _plain(name: str, status: int, pointer: str, code: str, /, **members: Any) -> Case:
    return _case(name, json.dumps(GOOD | members).encode(), status, [(pointer, code)], PLAIN)


def _raw(name: str, status: int, pointer: str, code: str, body: bytes, content_type: str | None = PLAIN) -> Case:
    return _case(name, body, status, [(pointer, code)], content_type)


def _data(name: str, status: int, pointer: str, code: str, data: str | bytes) -> Case:
    written = data.encode() if isinstance(data, str) else data
    return _raw(
        name, status, pointer, code, b'{"type":"t","source":"' + CANARY.encode() + b'","data":' + written + b"}"
    )


def _cloud(name: str, status: int, pointer: str, code: str, /, **members: Any) -> Case:
    return _case(name, json.dumps(CLOUD | members).encode(), status, [(pointer, code)], STRUCTURED)


def _headers(name: str, status: int, pointer: str, code: str, /, body: bytes = b"", **attributes: str) -> Case:
    headers = BINARY | {f"ce-{attribute}": value for attribute, value in attributes.items()}
    return Case(
        name,
        body,
        [("content-type", PLAIN), *headers.items()],
        status,
        {400: "malformed", 422: "unprocessable"}[status],
        [(pointer, code)],
    )


def _event(**members: Any) -> bytes:
    return json.dumps(GOOD | members).encode()


PLAIN_EVENTS = [
    _raw("an empty body", 400, "", "json", b""),
    _raw("white space", 400, "", "json", b" \n\t"),
    _raw("cut in a string", 400, "", "json", _event()[:-5]),
    _raw("cut before the end", 400, "", "json", _event()[:-1]),
    _raw("cut in an escape", 400, "", "json", b'{"type":"c4n4ry\\u00'),
    _raw("text behind the end", 400, "", "json", _event() + CANARY.encode()),
    _raw("two events in one", 400, "", "json", _event() + _event()),
    _raw("a byte order mark", 400, "", "json", b"\xef\xbb\xbf" + _event()),
    _raw("single quotes", 400, "", "json", b"{'type': 'c4n4ry', 'data': 1}"),
    _raw("a comma too many", 400, "", "json", b'{"type": "c4n4ry", "data": 1,}'),
    _raw("a comment", 400, "", "json", b'{"type": "c4n4ry", /* c4n4ry */ "data": 1}'),
    _raw("a name without quotes", 400, "", "json", b'{type: "c4n4ry", "data": 1}'),
    _raw("UTF-16", 400, "", "utf8", json.dumps(GOOD).encode("utf-16")),
    _raw("latin-1", 400, "", "utf8", b'{"type": "c4n4ry", "data": "caf\xe9"}'),
    _raw("an overlong encoding", 400, "", "utf8", b'{"type": "c4n4ry", "data": "\xc0\xaf"}'),
    _raw("a surrogate as bytes", 400, "", "utf8", b'{"type": "c4n4ry", "data": "\xed\xa0\x80"}'),
    _raw("a list", 422, "", "type", json.dumps([[CANARY]]).encode()),
    _raw("a string", 422, "", "type", json.dumps(CANARY).encode()),
    _raw("a number", 422, "", "type", b"7"),
    _raw("null", 422, "", "type", b"null"),
    _raw("an empty object", 422, "/type", "required", b"{}"),
    _raw("no data", 422, "/data", "required", b'{"type": "c4n4ry"}'),
    _raw("no type", 422, "/type", "required", b'{"data": "c4n4ry"}'),
    _data("NaN", 400, "", "json", f'["{CANARY}", NaN]'),
    _data("Infinity", 400, "", "json", f'["{CANARY}", Infinity]'),
    _data("-Infinity", 400, "", "json", f'["{CANARY}", -Infinity]'),
    _data("a number with a leading zero", 400, "", "json", "007"),
    _data("a hexadecimal number", 400, "", "json", "0x7"),
    _data("a number beyond a double", 422, "/data/0", "number", f'[1e999, "{CANARY}"]'),
    _data("a number below a double", 422, "/data/0", "number", f'[-1E-999, "{CANARY}"]'),
    _data("a number of 5,000 digits", 422, "/data/0", "number", f'[{"9" * 5000}, "{CANARY}"]'),
    _data("an exponent of 50 digits", 422, "/data", "number", "1e" + "9" * 50),
    _data("numbers that grow when written out", 422, "/data", "number", f"[{','.join(['1e300'] * 1000)}]"),
    _data("a lone surrogate", 400, "", "json", rf'"{CANARY}\ud800"'),
    _data("surrogates in the wrong order", 400, "", "json", rf'"{CANARY}\udc00\ud800"'),
    _data("a lone surrogate in a name", 400, "", "json", r'{"\ud800": 1}'),
    _data("NUL", 422, "/data", "nul", rf'"{CANARY}\u0000"'),
    _data("NUL far down", 422, "/data/0/a/1", "nul", rf'[{{"a": [1, "{CANARY}\u0000"]}}]'),
    _data("NUL in a name", 422, "/data", "nul", rf'{{"a\u0000": "{CANARY}"}}'),
    _data("NUL as a byte", 400, "", "json", b'"c4n4ry\x00"'),
    _data("a control character as a byte", 400, "", "json", b'"c4n4ry\x1f"'),
    _data("an unknown escape", 400, "", "json", rf'"{CANARY}\x"'),
    _data("arrays 10,000 deep", 422, "", "nesting", "[" * 10_000 + "]" * 10_000),
    _data("objects 10,000 deep", 422, "", "nesting", '{"a":' * 10_000 + "1" + "}" * 10_000),
    _data("arrays 5,000 deep", 422, "/data", "nesting", "[" * 5_000 + "]" * 5_000),
    _data("arrays 120,000 deep", 422, "", "nesting", "[" * 120_000 + "]" * 120_000),
    _data("deep and never closed", 422, "", "nesting", "[" * 200_000),
    _plain("100,000 keys", 413, "", "event_too_large", data={f"{number}": CANARY for number in range(100_000)}),
    _plain("a member too many", 422, "/colour", "unknown_field", colour=CANARY),
    _plain("a number as type", 422, "/type", "type", type=7),
    _plain("an empty type", 422, "/type", "length", type=""),
    _plain("a type of 300 characters", 422, "/type", "length", type=CANARY * 50),
    _plain("a line break in a type", 422, "/type", "characters", type=f"{CANARY}\n"),
    _plain("NUL in an id", 422, "/id", "characters", id=f"{CANARY}\0"),
    _plain("a number as id", 422, "/id", "type", id=12345678),
    _plain("an id of 300 characters", 422, "/id", "length", id=CANARY * 50),
    _plain("an id that is a dot segment", 422, "/id", "id", id=".."),
    _plain("an id that is a route", 422, "/id", "id", id="validate"),
    _plain("an object as source", 422, "/source", "type", source={"a": CANARY}),
    _plain("a list as key", 422, "/key", "type", key=[CANARY]),
    _plain("a time without an offset", 422, "/time", "time", time="2026-01-02T03:04:05"),
    _plain("a time that is a date", 422, "/time", "time", time="2026-01-02"),
    _plain("a time that is text", 422, "/time", "time", time=CANARY),
    _plain("a time in seconds", 422, "/time", "type", time=1_772_600_767),
    _plain("an offset of 25 hours", 422, "/time", "time", time="2026-01-02T03:04:05+25:00"),
    _plain("a named time zone", 422, "/time", "time", time="2026-01-02T03:04:05 CET"),
    _plain("a 30th of February", 422, "/time", "time", time="2026-02-30T03:04:05Z"),
    _plain("a leap second", 422, "/time", "time", time="2026-12-31T23:59:60Z"),
    _plain("the year 0", 422, "/time", "time", time="0000-01-01T00:00:00Z"),
    _plain("the year 1", 422, "/time", "time", time="0001-01-01T00:00:00Z"),
    _plain("the year 9999", 422, "/time", "time", time="9999-12-31T23:59:59-14:00"),
    _plain("the year 10000", 422, "/time", "time", time="10000-01-01T00:00:00Z"),
    _plain("a negative year", 422, "/time", "time", time="-2026-01-01T00:00:00Z"),
    _raw("type twice", 422, "/type", "repeated", b'{"type":"a","data":"c4n4ry","type":"b"}'),
    _raw("an id twice, once in escapes", 422, "/id", "repeated", b'{"type":"a","id":"1","data":2,"\\u0069d":"2"}'),
    _raw("data twice", 422, "/data", "repeated", b'{"type":"a","data":"c4n4ry","data":{"a":"\\""}}'),
    *[_plain(f"a forged {name}", 422, f"/{name}", "unknown_field", **{name: CANARY}) for name in FORGED],
]
"""Single events in the plain form."""

EVENTS = [
    *PLAIN_EVENTS,
    _raw("no content type", 415, "", "content_type", _event(), None),
    _raw("text", 415, "", "content_type", _event(), "text/plain"),
    _raw("a form", 415, "", "content_type", b"a=c4n4ry", "application/x-www-form-urlencoded"),
    _raw("another charset", 415, "", "content_type", _event(), "application/json; charset=utf-16"),
    _raw("two content types in one", 415, "", "content_type", _event(), "application/json, text/plain"),
    _raw("a batch's content type", 415, "", "content_type", json.dumps([CLOUD]).encode(), BATCH),
    _raw("lines", 415, "", "content_type", _event(), LINES),
    _raw(
        "a format of CloudEvents that is not JSON", 415, "", "content_type", b"c4n4ry", "application/cloudevents+avro"
    ),
    Case(
        "two content types",
        _event(),
        [("content-type", PLAIN), ("content-type", STRUCTURED)],
        415,
        "unsupported_media_type",
        [("", "content_type")],
    ),
    _case("not gzip", _event(), 400, [("", "content_encoding")], PLAIN, content_encoding="gzip"),
    _case("not zstd", _event(), 400, [("", "content_encoding")], PLAIN, content_encoding="zstd"),
    _case("brotli", _event(), 415, [("", "content_encoding")], PLAIN, content_encoding="br"),
    _case("deflate", zlib.compress(_event()), 415, [("", "content_encoding")], PLAIN, content_encoding="deflate"),
    _case("cut gzip", gzip.compress(_event())[:-4], 400, [("", "content_encoding")], PLAIN, content_encoding="gzip"),
    _case(
        "gzip and more",
        gzip.compress(_event()) + b"c4n4ry",
        400,
        [("", "content_encoding")],
        PLAIN,
        content_encoding="gzip",
    ),
    _case("gzip, not said", gzip.compress(_event()), 400, [("", "utf8")], PLAIN),
    _case(
        "gzip twice, said once",
        gzip.compress(gzip.compress(_event())),
        400,
        [("", "utf8")],
        PLAIN,
        content_encoding="gzip",
    ),
    _case(
        "gzip twice, said twice",
        gzip.compress(gzip.compress(_event())),
        415,
        [("", "content_encoding")],
        PLAIN,
        content_encoding="gzip, gzip",
    ),
    _case(
        "a gzip bomb", gzip.compress(bytes(50_000_000)), 413, [("", "event_too_large")], PLAIN, content_encoding="gzip"
    ),
    _case(
        "a zstd bomb", zstd.compress(bytes(50_000_000)), 413, [("", "event_too_large")], PLAIN, content_encoding="zstd"
    ),
    _cloud("CloudEvents 0.3", 422, "/specversion", "value", specversion="0.3"),
    _cloud("a number as version", 422, "/specversion", "type", specversion=1.0),
    _cloud("an empty source", 422, "/source", "length", source=""),
    _cloud("data and data_base64", 422, "/data_base64", "two_data", data_base64="aGk="),
    _cloud("data_base64 that is none", 422, "/data_base64", "base64", data=None, data_base64=f"{CANARY}!"),
    _cloud("an extension in capitals", 422, "/Colour", "unknown_field", Colour=CANARY),
    _cloud("an extension that is an object", 422, "/colour", "type", colour={"a": CANARY}),
    _cloud("an extension beyond 32 bits", 422, "/colour", "number", colour=2**31),
    _cloud("20,000 extensions", 422, "", "extensions", **{f"e{number}": 1 for number in range(20_000)}),
    _cloud("an event that has expired", 422, "/expirytime", "expired", expirytime="2020-01-01T00:00:00Z"),
    _cloud("an expiry that is no time", 422, "/expirytime", "time", expirytime=CANARY),
    _cloud("a dataref that is none", 422, "/dataref", "uri", dataref=f"{CANARY} {CANARY}"),
    _cloud("an empty partitionkey", 422, "/partitionkey", "key", partitionkey=""),
    _cloud("a forged tenant in a CloudEvent", 422, "/tenant", "unknown_field", tenant=CANARY),
    _cloud("a forged receivedat in a CloudEvent", 422, "/receivedat", "unknown_field", receivedat=CANARY),
    _cloud("a forged position in a CloudEvent", 422, "/position", "unknown_field", position="0:1"),
    _raw("null as a CloudEvent", 422, "", "type", b"null", STRUCTURED),
    _raw("a plain event as a CloudEvent", 422, "/specversion", "required", _event(), STRUCTURED),
    _headers("a forged tenant in a header", 422, "/tenant", "unknown_field", tenant=CANARY),
    _headers("data in a header", 422, "/data_base64", "unknown_field", data_base64="aGk="),
    _headers("a content type in a ce- header", 422, "/datacontenttype", "unknown_field", datacontenttype="text/plain"),
    _headers("a line break smuggled in", 422, "/id", "characters", id=f"{CANARY}%0D%0Ace-tenant:%20other"),
    _headers("NUL smuggled in", 422, "/subject", "characters", subject=f"{CANARY}%00"),
    _headers("an overlong slash smuggled in", 400, "/subject", "utf8", subject=f"{CANARY}%C0%AF"),
    _headers("an empty subject", 422, "/subject", "length", subject=""),
    _headers("a header that is no time", 422, "/time", "time", time=CANARY),
    _headers("a header of another version", 422, "/specversion", "value", specversion="1.1"),
    _headers("a body that is not the JSON it is said to be", 400, "/data", "json", b'{"a": "c4n4ry"'),
    _headers("NUL in a binary event's JSON", 422, "/data", "nul", b'"c4n4ry\\u0000"'),
    Case(
        "an id sent twice",
        b"",
        [*BINARY.items(), ("ce-id", CANARY)],
        422,
        "unprocessable",
        [("/id", "repeated")],
    ),
    Case(
        "an id and nothing else in headers",
        _event(),
        [("content-type", PLAIN), ("ce-id", CANARY)],
        422,
        "unprocessable",
        [("/specversion", "required")],
    ),
]
"""Requests to `/v1/events`."""

BATCHES = [
    _raw("an empty body", 400, "", "json", b""),
    _raw("an array that ends too early", 400, "", "json", b"[" + _event() + b","),
    _raw("text behind the array", 400, "", "json", b"[" + _event() + b"] c4n4ry"),
    _raw("a comma too many", 400, "", "json", b"[" + _event() + b",]"),
    _raw("a string", 422, "", "type", b'"c4n4ry"'),
    _raw("one event", 422, "/type", "unknown_field", _event()),
    _raw("an empty array", 422, "", "empty_batch", b"[]"),
    _raw("an empty list of events", 422, "/events", "empty_batch", b'{"events": []}'),
    _raw("events that are an object", 422, "/events", "type", b'{"events": {"a": "c4n4ry"}}'),
    _raw("a member beside the events", 422, "/tenant", "unknown_field", b'{"tenant": "c4n4ry", "events": []}'),
    _raw("events twice", 422, "/events", "repeated", b'{"events": [' + _event() + b'], "events": [' + _event() + b"]}"),
    _raw("no lines", 422, "", "empty_batch", b"\n\n \r\n", LINES),
    _raw("a batch that is an object", 422, "", "type", b'{"events": ["c4n4ry"]}', BATCH),
    _raw("1,001 events", 413, "", "batch_too_large", json.dumps([GOOD] * 1001).encode()),
    _raw(
        "1,001 events in an object", 413, "/events", "batch_too_large", json.dumps({"events": [GOOD] * 1001}).encode()
    ),
    _raw("1,001 lines", 413, "", "batch_too_large", (_event() + b"\n") * 1001, LINES),
    _raw("1,001 CloudEvents", 413, "", "batch_too_large", json.dumps([CLOUD] * 1001).encode(), BATCH),
    _raw("two million numbers", 413, "", "batch_too_large", b"[" + b"1," * 2_000_000 + b"1]"),
    _raw("more than 4 MiB", 413, "", "batch_too_large", b"[" + b" " * (4 << 20) + b"]"),
    _raw(
        "100,000 keys", 422, "/0", "unknown_field", json.dumps({str(number): 1 for number in range(100_000)}).encode()
    ),
    _raw("arrays 100,000 deep", 422, "", "nesting", b"[" * 100_000),
    _raw("not UTF-8", 400, "", "utf8", b'[{"type": "a", "data": "c4n4ry\xff"}]'),
    _raw("another charset", 415, "", "content_type", json.dumps([GOOD]).encode(), "application/json; charset=latin-1"),
    _raw("a CloudEvent's content type", 415, "", "content_type", json.dumps([CLOUD]).encode(), STRUCTURED),
    _case("brotli", json.dumps([GOOD]).encode(), 415, [("", "content_encoding")], PLAIN, content_encoding="br"),
    _case("a bomb", gzip.compress(bytes(50_000_000)), 413, [("", "batch_too_large")], PLAIN, content_encoding="gzip"),
    _case("an event's headers", json.dumps([GOOD]).encode(), 422, [("", "binary_batch")], PLAIN, ce_id=CANARY),
    _raw("nothing but bad events", 422, "/0/type", "type", json.dumps([GOOD | {"type": 7}]).encode()),
]
"""Requests to `/v1/events/batch` that are refused as a whole."""
