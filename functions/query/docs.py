"""What the OpenAPI document says of `query`. Read when the document is written, never by the function."""

from shared.runtime.openapi import LINK, Operation, Schema, answer, header, paging, parameter, problems, reference

_MOMENT: Schema = {"type": "string", "format": "date-time"}
_WORD: Schema = {"type": "string", "pattern": "^[A-Za-z0-9./_-]{1,40}$"}

SCHEMAS: dict[str, Schema] = {
    "StoredEvent": {
        "type": "object",
        "required": ["id", "source", "type", "partition", "offset", "position", "received_at", "timeline"],
        "properties": {
            "id": {"type": "string"},
            "source": {"type": "string"},
            "type": {"type": "string"},
            "subject": {"type": "string"},
            "time": _MOMENT,
            "datacontenttype": {"type": "string"},
            "dataschema": {"type": "string"},
            "data": {},
            "data_base64": {"type": "string"},
            "partition": {"type": "integer"},
            "offset": {"type": "integer"},
            "position": {"type": "string"},
            "received_at": _MOMENT,
            "timeline": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["state", "at"],
                    "properties": {
                        "state": {"type": "string", "enum": ["accepted", "spooled", "redriven", "stored"]},
                        "at": _MOMENT,
                        "detail": {"type": "string"},
                    },
                },
            },
        },
        "description": "The event as it was sent, extension attributes included, where it lies, and what became of it.",
    },
    "AbsentEvent": {
        "allOf": [reference("Problem")],
        "properties": {
            "dead_letters": {
                "type": "array",
                "items": {"type": "string", "format": "uuid"},
                "description": "With the code dead_lettered: the letters that say why the event could not be stored.",
            }
        },
    },
    "Page": {
        "type": "object",
        "required": ["events", "next"],
        "properties": {
            "events": {"type": "array", "items": reference("StoredEvent")},
            "next": {"type": ["string", "null"], "description": "The cursor of the page that follows."},
        },
    },
}

_EVENT = {
    "id": "order-1",
    "source": "/shop",
    "type": "order.placed",
    "data": {"number": 1},
    "partition": 3,
    "offset": 17,
    "position": "3:17",
    "received_at": "2026-03-04T05:06:07.089000Z",
    "timeline": [
        {"state": "accepted", "at": "2026-03-04T05:06:07.089000Z", "detail": "position 3:17"},
        {"state": "stored", "at": "2026-03-04T05:06:07.102000Z"},
    ],
}
_ETAG = {"ETag": header("Changes whenever the answer does.")}

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("GET", "/v1/events"): {
        "operationId": "getEvents",
        "summary": "Events, page by page",
        "tags": ["read"],
        "parameters": [
            parameter("query", "type", "Events of this type.", _WORD),
            parameter("query", "source", "Events of this source.", _WORD),
            parameter("query", "subject", "Events about this subject.", _WORD),
            parameter("query", "since", "Received at this moment or later.", _MOMENT),
            parameter("query", "until", "Received before this moment.", _MOMENT),
            *paging("By received time.", "Events a page, at most."),
        ],
        "responses": {
            "200": answer(
                "A page.",
                reference("Page"),
                {"events": [_EVENT], "next": None},
                headers=LINK,
            ),
            **problems(400, 401, 422, 503),
        },
    },
    ("GET", "/v1/events/{id}"): {
        "operationId": "getEvent",
        "summary": "One event with its timeline",
        "tags": ["read"],
        "parameters": [
            parameter("path", "id", "The event's id, percent-encoded.", _WORD, required=True),
            parameter("query", "source", "Which source's, where several share the id.", _WORD),
            parameter("header", "If-None-Match", "The ETag of what is known already.", {"type": "string"}),
        ],
        "responses": {
            "200": answer("The event.", reference("StoredEvent"), _EVENT, headers=_ETAG),
            "304": {"description": "It is as it was.", "headers": _ETAG},
            **problems(401, 404, 409, 422, 503, members={404: "AbsentEvent"}),
        },
    },
}
