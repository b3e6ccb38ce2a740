"""What the OpenAPI document says of event types."""

from shared.kit.clock import DAY_SECONDS
from shared.runtime.openapi import Operation, Schema, answer, body, header, parameter, problems, reference

_MODE: Schema = {"type": "string", "enum": ["enforce", "warn", "off"]}
_COMPATIBILITY: Schema = {"type": "string", "enum": ["none", "backward", "forward", "full"]}
_FIELDS: dict[str, Schema] = {
    "schema": {
        "type": ["object", "boolean"],
        "description": "JSON Schema 2020-12 for an event's data; 64 KiB.",
    },
    "mode": _MODE | {"description": "What a fault means: rejected, accepted with a warning, not looked at."},
    "compatibility": _COMPATIBILITY | {"description": "What the next version owes this one."},
    "key_path": {
        "type": ["string", "null"],
        "maxLength": 255,
        "pattern": "^(/[A-Za-z0-9_-]*)+$",
        "description": "A JSON Pointer into the data, to what decides the order where the sender gives no key.",
    },
    "retention_days": {
        "type": "integer",
        "minimum": 1,
        "maximum": 3650,
        "description": "Whole days that events are kept after the one on which they were received.",
    },
    "dedup_window": {"type": "integer", "minimum": 1, "maximum": 7 * DAY_SECONDS, "description": "Seconds."},
}

SCHEMAS: dict[str, Schema] = {
    "Definition": {
        "type": "object",
        "required": ["schema"],
        "additionalProperties": False,
        # Whatever else is a schema, too: this is what a generator of requests can make of it.
        "properties": _FIELDS | {"schema": {"enum": [{}, True, {"type": "object"}, {"required": ["number"]}]}},
    },
    "EventType": {
        "type": "object",
        "required": ["type", "version", *_FIELDS, "created_at", "created_by"],
        "properties": {
            "type": {"type": "string"},
            "version": {"type": "integer", "minimum": 1},
            **_FIELDS,
            "created_at": {"type": "string", "format": "date-time"},
            "created_by": {"type": "string"},
        },
    },
    "Compatibility": {
        "type": "object",
        "required": ["compatible", "compatibility", "against", "breaks"],
        "properties": {
            "compatible": {"type": "boolean"},
            "compatibility": _COMPATIBILITY,
            "against": {"type": ["integer", "null"], "description": "The version that was compared; null: no such."},
            "breaks": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["promise", "pointer", "code", "detail"],
                    "properties": {
                        "promise": {"type": "string", "enum": ["backward", "forward"]},
                        **{name: {"type": "string"} for name in ("pointer", "code", "detail")},
                    },
                },
            },
        },
    },
}

_DEFINITION = {
    "schema": {
        "type": "object",
        "required": ["number"],
        "properties": {"number": {"type": "integer"}, "customer": {"type": "string"}},
    },
    "mode": "enforce",
    "compatibility": "backward",
    "key_path": "/customer",
}
_TYPE = _DEFINITION | {
    "type": "order.placed",
    "version": 1,
    "retention_days": 30,
    "dedup_window": DAY_SECONDS,
    "created_at": "2026-03-04T05:06:07Z",
    "created_by": "development-key",
}
_BREAKS = {
    "compatible": False,
    "compatibility": "backward",
    "against": 1,
    "breaks": [
        {
            "promise": "backward",
            "pointer": "/required",
            "code": "required",
            "detail": "Member /customer was optional.",
        }
    ],
}
_NAME = parameter(
    "path", "type", "The type's name.", {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,60}$"}, required=True
)
_NUMBER = parameter("path", "number", "The version.", {"type": "integer", "minimum": 1}, required=True)
_BEFORE = parameter(
    "query", "before", "Those before this version.", {"type": "integer", "minimum": 1, "maximum": 999_999_999}
)
_IF_MATCH = parameter(
    "header",
    "If-Match",
    "Make a new version only if the last one has this ETag.",
    {"type": "string", "examples": ['"1"', "*"]},
)
_ETAG = {"ETag": header("The version's number, in quotes.")}
_BODY = body({"application/json": (reference("Definition"), {"definition": _DEFINITION})}, "What is asked of the type.")


def _shown(description: str) -> dict[str, object]:
    return answer(description, reference("EventType"), _TYPE, headers=_ETAG)


def _list_of(member: str) -> Schema:
    items = {"type": "array", "items": reference("EventType")}
    return {"type": "object", "required": [member], "properties": {member: items}}


_PAGE: Schema = {
    "type": "object",
    "required": ["versions", "next"],
    "properties": {
        "versions": {"type": "array", "items": reference("EventType")},
        "next": {"type": ["integer", "null"]},
    },
}

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("GET", "/v1/event-types"): {
        "operationId": "getEventTypes",
        "summary": "All event types, each in its last version",
        "tags": ["event types"],
        "responses": {
            "200": answer("The types.", _list_of("event_types"), {"event_types": [_TYPE]}),
            **problems(401, 503),
        },
    },
    ("PUT", "/v1/event-types/{type}"): {
        "operationId": "putEventType",
        "summary": "Define an event type",
        "description": "A change makes a new version; what is current already is not made again.",
        "tags": ["event types"],
        "parameters": [_NAME, _IF_MATCH],
        "requestBody": _BODY,
        "responses": {
            "200": _shown("This is the current version already."),
            "201": _shown("A new version was made."),
            **problems(400, 401, 409, 412, 422, 503),
        },
    },
    ("GET", "/v1/event-types/{type}"): {
        "operationId": "getEventType",
        "summary": "The last version of an event type",
        "tags": ["event types"],
        "parameters": [_NAME],
        "responses": {"200": _shown("The version."), **problems(401, 404, 503)},
    },
    ("GET", "/v1/event-types/{type}/versions"): {
        "operationId": "getEventTypeVersions",
        "summary": "The versions of an event type",
        "description": "The newest first, 50 at once. `next` is the `before` of the page that follows.",
        "tags": ["event types"],
        "parameters": [_NAME, _BEFORE],
        "responses": {
            "200": answer("A page.", _PAGE, {"versions": [_TYPE], "next": None}),
            **problems(401, 404, 422, 503),
        },
    },
    ("GET", "/v1/event-types/{type}/versions/{number}"): {
        "operationId": "getEventTypeVersion",
        "summary": "One version of an event type",
        "tags": ["event types"],
        "parameters": [_NAME, _NUMBER],
        "responses": {"200": _shown("The version."), **problems(401, 404, 503)},
    },
    ("POST", "/v1/event-types/{type}/check"): {
        "operationId": "checkEventType",
        "summary": "What a new version would break",
        "description": "Nothing is written.",
        "tags": ["event types"],
        "parameters": [_NAME],
        "requestBody": _BODY,
        "responses": {
            "200": answer("What would break.", reference("Compatibility"), _BREAKS),
            **problems(400, 401, 422, 503),
        },
    },
}
