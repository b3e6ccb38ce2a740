"""What the OpenAPI document says of `ingest`. Read when the document is written, never by the function."""

import msgspec

from shared.events.cloudevents import TAKEN
from shared.events.limits import MAX_BATCH_EVENTS
from shared.events.topics import EVENTS
from shared.runtime.limits import LIMITS
from shared.runtime.openapi import Operation, Schema, answer, body, header, parameter, problems, reference
from shared.runtime.parameters import MAX_WAIT_SECONDS
from shared.runtime.problems import Problem
from shared.runtime.receipts import Batch, Single

# In ECMAScript's words, as JSON Schema wants them; the checks themselves are in `shared/events/draft.py`.
_PLAIN_TEXT = r"^[^\u0000-\u001f\u007f-\u009f]*$"
_URI = r"^([A-Za-z0-9_.~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+$"
_NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": _PLAIN_TEXT}
_TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": 1024, "pattern": _PLAIN_TEXT}
_ID: Schema = _NAME | {"not": {"enum": [".", "..", "batch", "validate"]}}
_TIME: Schema = {"type": "string", "format": "date-time", "description": "RFC 3339, years 2 to 9998."}
_DATA: Schema = {"description": "Any JSON without U+0000, with numbers within the range of a double."}

_PLAIN: Schema = {
    "type": "object",
    "required": ["type", "data"],
    "additionalProperties": False,
    "properties": {
        "type": _NAME,
        "data": _DATA,
        "id": _ID | {"description": "Unique within the source. Without one the server gives it."},
        "source": _TEXT | {"description": "Where the event comes from. /v1/events where none is given."},
        "subject": _TEXT | {"description": "What it is about; decides the order where there is no key."},
        "time": _TIME,
        "key": _TEXT | {"description": "Events of one key keep their order."},
    },
}
_CLOUD_EVENT: Schema = {
    "type": "object",
    "required": ["specversion", "type", "id", "source"],
    "properties": {
        "specversion": {"const": "1.0"},
        "type": _NAME,
        "id": _ID,
        "source": _TEXT,
        "subject": _TEXT,
        "time": _TIME,
        "datacontenttype": _NAME,
        "dataschema": _TEXT,
        "data": _DATA,
        "data_base64": {"type": "string", "contentEncoding": "base64", "pattern": "^([A-Za-z0-9+/]{4})*$"},
        "partitionkey": _TEXT | {"description": "Events of one key keep their order."},
        "traceparent": _TEXT | {"description": "The trace that the event's producer began."},
        "expirytime": _TIME | {"description": "An event that is past this is refused."},
        "dataref": {"type": "string", "maxLength": 1024, "pattern": _URI, "description": "Where the data is."},
    },
    "not": {"required": ["data", "data_base64"]},
    "additionalProperties": {
        "anyOf": [
            {"type": "string", "maxLength": 1024, "pattern": _PLAIN_TEXT},
            {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
            {"type": ["boolean", "null"]},
        ]
    },
    "propertyNames": {
        "anyOf": [{"pattern": "^[a-z0-9]{1,20}$", "not": {"enum": sorted(TAKEN)}}, {"enum": ["data", "data_base64"]}]
    },
    "maxProperties": 40,
    "description": "CloudEvents 1.0. Other members are extension attributes, 32 at most.",
}

_RESULT_LIST: Schema = {"type": "array", "items": reference("Result")}


def _problem_with(members: dict[str, Schema]) -> Schema:
    """A problem that also has what the answer would have had."""
    return {"allOf": [reference("Problem"), {"type": "object", "properties": members}]}


SCHEMAS: dict[str, Schema] = {
    "PlainEvent": _PLAIN,
    "CloudEvent": _CLOUD_EVENT,
    **msgspec.json.schema_components([Single, Batch, Problem], ref_template="#/components/schemas/{name}")[1],
    "EventProblem": _problem_with({"results": _RESULT_LIST}),
    "BatchProblem": _problem_with(
        {
            **{name: {"type": "integer"} for name in ("accepted", "duplicates", "rejected", "retry")},
            "position": {"type": "string"},
            "results": _RESULT_LIST,
        }
    ),
}

_KEY = parameter(
    "header",
    "Idempotency-Key",
    "A string (quoted or bare) that names the request for 24 hours: sent again it gets the answer of the first time.",
    {"type": "string", "pattern": "^[A-Za-z0-9-]{1,255}$"},
)
_PREFER = parameter(
    "header",
    "Prefer",
    f"`wait=N` waits up to N seconds (at most {MAX_WAIT_SECONDS}) for the row.",
    {"type": "string", "pattern": "^wait=[0-9]$"},
)
_RESULTS = parameter(
    "query", "results", "`errors` lists only what was not taken.", {"type": "string", "enum": ["all", "errors"]}
)
_ENCODING = parameter("header", "Content-Encoding", "identity, gzip or zstd.", {"type": "string", "enum": ["identity"]})

_QUOTA = {
    "RateLimit-Policy": header("The tenant's quota: `q` events at once, all of it again within `w` seconds."),
    "RateLimit": header("`r` events are left, all of the quota again in `t` seconds."),
    "X-RateLimit-Limit": header("The same for older clients: events at once.", {"type": "integer"}),
    "X-RateLimit-Remaining": header("Events that are left.", {"type": "integer"}),
    "X-RateLimit-Reset": header("Seconds until all are there again.", {"type": "integer"}),
}
_DEGRADED = {
    "Degraded": header(
        "What could not be done: `dedup` (an event sent twice is single for its day only), `schemas` (types were not "
        "known), `order` (events may be ahead of older ones of their key that were spooled), `idempotency` (the key "
        "was not looked at)."
    )
}
_TOLD = {
    **_QUOTA,
    **_DEGRADED,
    "Idempotency-Replayed": header("`true`: this is the answer of the first time."),
    "Preference-Applied": header("The preference that was followed."),
}
_LOCATION = {"Location": header("Where the event can be read.", {"type": "string", "format": "uri-reference"})}

_RECEIPT = {
    "id": "order-1",
    "status": "accepted",
    "topic": EVENTS.name,
    "partition": 3,
    "offset": 17,
    "position": "3:17",
    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
}
_BATCH = {
    "accepted": 1,
    "duplicates": 0,
    "rejected": 0,
    "retry": 0,
    "position": "3:17",
    "results": [{"index": 0, "id": "order-1", "status": "accepted", "partition": 3, "offset": 17}],
}
_REJECTED = {
    "index": 1,
    "id": "order-2",
    "status": "rejected",
    "error": {
        "type": "urn:millrace:problem:unprocessable",
        "code": "unprocessable",
        "detail": "The event cannot be accepted.",
        "errors": [{"pointer": "/1/time", "code": "time", "detail": "Use an RFC 3339 date and time with an offset."}],
    },
}
_MIXED = _BATCH | {"rejected": 1, "results": [*_BATCH["results"], _REJECTED]}  # type: ignore[misc]

_PLAIN_EXAMPLE = {"type": "order.placed", "data": {"number": 1}, "subject": "customer-7"}
_CLOUD_EXAMPLE = {
    "specversion": "1.0",
    "type": "order.placed",
    "id": "order-1",
    "source": "/shop",
    "time": "2026-03-04T05:06:07Z",
    "partitionkey": "customer-7",
    "data": {"number": 1},
}
_EVENT_BODY = body(
    {
        "application/json": (reference("PlainEvent"), {"plain": _PLAIN_EXAMPLE}),
        "application/cloudevents+json": (reference("CloudEvent"), {"structured": _CLOUD_EXAMPLE}),
    },
    "One event of at most 256 KiB. With `ce-id`, `ce-source`, `ce-type` and `ce-specversion` headers (percent-encoded) "
    "the body may be of any content type, and is the event's data: CloudEvents' binary mode.",
)


def _list_of(name: str) -> Schema:
    return {"type": "array", "minItems": 1, "maxItems": MAX_BATCH_EVENTS, "items": reference(name)}


_WRAPPED: Schema = {
    "type": "object",
    "required": ["events"],
    "additionalProperties": False,
    "properties": {"events": _list_of("PlainEvent")},
}
_BATCH_BODY = body(
    {
        "application/json": (
            {"anyOf": [_list_of("PlainEvent"), _WRAPPED]},
            {"array": [_PLAIN_EXAMPLE, _CLOUD_EXAMPLE], "object": {"events": [_PLAIN_EXAMPLE]}},
        ),
        "application/cloudevents-batch+json": (_list_of("CloudEvent"), {"batch": [_CLOUD_EXAMPLE]}),
        "application/x-ndjson": (
            {"type": "string", "description": "One event a line.", "enum": ['{"type":"order.placed","data":1}\n']},
            {"lines": '{"type":"order.placed","data":1}\n{"type":"order.placed","data":2}\n'},
        ),
    },
    "1 to 1,000 events in at most 4 MiB (decoded). An event that says `specversion` is a structured CloudEvent. One "
    "that cannot be accepted does not keep its neighbours out.",
)
_ANY_BODY = body(
    {
        "application/json": (
            {"anyOf": [reference("PlainEvent"), _list_of("PlainEvent"), _WRAPPED]},
            {"plain": _PLAIN_EXAMPLE, "array": [_PLAIN_EXAMPLE]},
        ),
        "application/cloudevents+json": (reference("CloudEvent"), {"structured": _CLOUD_EXAMPLE}),
        "application/cloudevents-batch+json": (_list_of("CloudEvent"), {"batch": [_CLOUD_EXAMPLE]}),
    },
    "What would be sent to /v1/events or /v1/events/batch.",
)
_STATUSES = (400, 401, 409, 413, 415, 422, 429, 503)
_ONE_PROBLEMS = problems(*_STATUSES, members=dict.fromkeys((429, 503), "EventProblem"))
_MANY_PROBLEMS = problems(*_STATUSES, members=dict.fromkeys((422, 429, 503), "BatchProblem"))
_CHECK_PROBLEMS = problems(400, 401, 413, 415, 422, members={422: "BatchProblem"})

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("POST", "/v1/events"): {
        "operationId": "postEvent",
        "summary": "Send one event",
        "description": "202 means that every in-sync replica of the log has the event, or the spool does.",
        "tags": ["write"],
        "parameters": [_KEY, _PREFER, _ENCODING],
        "requestBody": _EVENT_BODY,
        "responses": {
            "201": answer(
                "The row is committed.", reference("Single"), _RECEIPT | {"status": "stored"}, headers=_TOLD | _LOCATION
            ),
            "202": answer("The event is durable.", reference("Single"), _RECEIPT, headers=_TOLD | _LOCATION),
            **_ONE_PROBLEMS,
        },
    },
    ("POST", "/v1/events/batch"): {
        "operationId": "postBatch",
        "summary": "Send up to 1,000 events",
        "description": "Send again only what is `throttled` or `retry`: then every event is stored once.",
        "tags": ["write"],
        "parameters": [_RESULTS, _KEY, _PREFER, _ENCODING],
        "requestBody": _BATCH_BODY,
        "responses": {
            "201": answer("All rows are committed.", reference("Batch"), _BATCH, headers=_TOLD),
            "202": answer("All events are durable, or were before.", reference("Batch"), _BATCH, headers=_TOLD),
            "207": answer("Some events were taken, others not.", reference("Batch"), _MIXED, headers=_TOLD),
            **_MANY_PROBLEMS,
        },
    },
    ("POST", "/v1/events/validate"): {
        "operationId": "validateEvents",
        "summary": "What would be said of these events",
        "description": "The same body and answer as for sending one event or many. Nothing is written.",
        "tags": ["write"],
        "parameters": [_RESULTS, _ENCODING],
        "requestBody": _ANY_BODY,
        "responses": {
            "202": answer(
                "All would be taken.",
                {"anyOf": [reference("Single"), reference("Batch")]},
                {"id": "order-1", "status": "accepted", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"},
                headers=_DEGRADED,
            ),
            "207": answer("Some would be taken.", reference("Batch"), _MIXED, headers=_DEGRADED),
            **_CHECK_PROBLEMS,
        },
    },
    ("GET", "/v1/limits"): {
        "operationId": "getLimits",
        "summary": "What a request may hold",
        "tags": ["write"],
        "security": [],
        "responses": {"200": answer("The limits.", {"type": "object"}, LIMITS)},
    },
    ("GET", "/health/live"): {
        "operationId": "getLive",
        "summary": "Whether the function runs",
        "tags": ["health"],
        "security": [],
        "responses": {"200": answer("It does.", {"type": "object"}, {"status": "live"})},
    },
    ("GET", "/health/ready"): {
        "operationId": "getReady",
        "summary": "Whether the log answers",
        "tags": ["health"],
        "security": [],
        "responses": {
            "200": answer("It does.", {"type": "object"}, {"status": "ready", "log": "ready"}),
            **problems(503),
        },
    },
}
