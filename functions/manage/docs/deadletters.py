"""What the OpenAPI document says of dead letters."""

from shared.deadletters.letters import MOST_EDITS
from shared.events.topics import EVENTS
from shared.kit.ids import uuid8
from shared.runtime.openapi import LINK, Operation, Schema, answer, body, header, paging, parameter, problems, reference

_MOMENT: Schema = {"type": "string", "format": "date-time"}
_WORD: Schema = {"type": "string", "pattern": "^[A-Za-z0-9./_-]{1,40}$"}
_STATE: Schema = {"type": "string", "enum": ["dead", "redriven", "discarded"]}
_MAYBE: Schema = {"type": ["string", "null"]}
_MAYBE_MOMENT: Schema = {"type": ["string", "null"], "format": "date-time"}

_LISTED: dict[str, Schema] = {
    "id": {"type": "string", "format": "uuid"},
    "tenant": _MAYBE | {"description": "null: nobody can tell whose the record is. Operators see those too."},
    "topic": {"type": "string"},
    "partition": {"type": "integer"},
    "offset": {"type": "integer"},
    "timestamp_ms": {"type": "integer", "description": "When the record was written, in ms since 1970, by the log."},
    "code": {"type": "string", "description": "Why it is dead, for programs."},
    "reason": {"type": "string", "description": "Why it is dead, for people."},
    "attempts": {"type": "integer"},
    "traceparent": _MAYBE,
    "dead_at": _MOMENT,
    "buried_at": _MOMENT,
    "size": {"type": "integer", "description": "Bytes that would be redriven."},
    "state": _STATE,
    "edit_count": {"type": "integer"},
    "settled_at": _MAYBE_MOMENT,
    "settled_by": _MAYBE | {"description": "The job that redrove or discarded it."},
    "event_id": _MAYBE | {"description": "This and the next three: what the event says of itself, where it does."},
    "source": _MAYBE,
    "type": _MAYBE,
    "subject": _MAYBE,
}
_CONTENT: dict[str, Schema] = {
    "value": {"type": "object", "description": "The record's value, where it is an event as it travels in the log."},
    "value_base64": _MAYBE | {"description": "The value's bytes, where it is none. null: a tombstone."},
}

SCHEMAS: dict[str, Schema] = {
    "ListedLetter": {
        "type": "object",
        "required": [*_LISTED],
        "properties": _LISTED,
        "description": "A dead letter without its bytes.",
    },
    "LetterPage": {
        "type": "object",
        "required": ["letters", "next"],
        "properties": {
            "letters": {"type": "array", "items": reference("ListedLetter")},
            "next": {"type": ["string", "null"], "description": "The cursor of the page that follows."},
        },
    },
    "Letter": {
        "type": "object",
        "required": [*_LISTED, "key_base64", "edits"],
        "properties": {
            **_LISTED,
            "key_base64": _MAYBE,
            **_CONTENT,
            "original": {
                "type": "object",
                "properties": _CONTENT,
                "description": "What stood there before the first edit, where there was one.",
            },
            "edits": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["at", "by", "why"],
                    "properties": {"at": _MOMENT, "by": {"type": "string"}, "why": {"type": "string"}},
                },
            },
        },
        "description": "A dead letter with all that is known of it. `value` is what would be redriven.",
    },
    "LetterEdit": {
        "type": "object",
        "required": ["event", "why"],
        "additionalProperties": False,
        "properties": {
            "event": reference("PlainEvent"),
            "why": {"type": "string", "minLength": 1, "maxLength": 1000, "description": "For those who look later."},
        },
        "description": "What the event leaves out is taken from the letter, as far as it can be read there.",
    },
}

_ID_EXAMPLE = str(uuid8("dead letter", EVENTS.name, "3", "17"))
_LETTER = {
    "id": _ID_EXAMPLE,
    "tenant": "demo",
    "topic": EVENTS.name,
    "partition": 3,
    "offset": 17,
    "timestamp_ms": 1_772_600_767_089,
    "code": "not_an_event",
    "reason": "The record's value is not an event.",
    "attempts": 1,
    "traceparent": None,
    "dead_at": "2026-03-04T05:06:07.102000Z",
    "buried_at": "2026-03-04T05:06:07.207000Z",
    "size": 21,
    "state": "dead",
    "edit_count": 0,
    "settled_at": None,
    "settled_by": None,
    "event_id": "order-1",
    "source": None,
    "type": "order.placed",
    "subject": None,
}
_WHOLE = _LETTER | {"key_base64": None, "value_base64": "eyJpZCI6Im9yZGVyLTEifQ==", "edits": []}
_EDIT = {"event": {"type": "order.placed", "data": {"number": 1}}, "why": "The number was missing."}
_ID = parameter(
    "path", "id", "The letter's id.", {"type": "string", "format": "uuid"}, required=True, example=_ID_EXAMPLE
)
_ETAG = {"ETag": header("Changes whenever the letter does.")}


def _shown(description: str) -> dict[str, object]:
    return answer(description, reference("Letter"), _WHOLE, headers=_ETAG)


OPERATIONS: dict[tuple[str, str], Operation] = {
    ("GET", "/v1/dead-letters"): {
        "operationId": "getDeadLetters",
        "summary": "Dead letters, page by page",
        "description": "Without their values, which may be large: `size` says how large.",
        "tags": ["dead letters"],
        "parameters": [
            parameter("query", "state", "Where they stand.", _STATE),
            parameter("query", "code", "Why they are dead.", _WORD),
            parameter("query", "topic", "Records of this topic.", _WORD),
            parameter(
                "query", "partition", "Records of this partition.", {"type": "integer", "minimum": 0, "maximum": 999}
            ),
            parameter("query", "type", "Events of this type.", _WORD),
            parameter("query", "source", "Events of this source.", _WORD),
            parameter("query", "subject", "Events about this subject, now or before they were edited.", _WORD),
            parameter("query", "since", "Dead at this moment or later.", _MOMENT),
            parameter("query", "until", "Dead before this moment.", _MOMENT),
            *paging("By the moment of death.", "Letters a page, at most."),
        ],
        "responses": {
            "200": answer(
                "A page.",
                reference("LetterPage"),
                {"letters": [_LETTER], "next": None},
                headers=LINK,
            ),
            **problems(400, 401, 422, 503),
        },
    },
    ("GET", "/v1/dead-letters/{id}"): {
        "operationId": "getDeadLetter",
        "summary": "One dead letter with its value and its edits",
        "tags": ["dead letters"],
        "parameters": [
            _ID,
            parameter("header", "If-None-Match", "The ETag of what is known already.", {"type": "string"}),
        ],
        "responses": {
            "200": _shown("The letter."),
            "304": {"description": "It is as it was.", "headers": _ETAG},
            **problems(401, 404, 503),
        },
    },
    ("PATCH", "/v1/dead-letters/{id}"): {
        "operationId": "editDeadLetter",
        "summary": "Mend what would be redriven",
        "description": "The original and every edit are kept. An event that had been accepted keeps its id, source, "
        "received time and tenant, so it is stored once. Only a letter that is dead is edited, at most "
        f"{MOST_EDITS} times.",
        "tags": ["dead letters"],
        "parameters": [
            _ID,
            parameter(
                "header",
                "If-Match",
                "Edit only if the letter has this ETag.",
                {"type": "string", "examples": ['"0-dead"', "*"]},
            ),
        ],
        "requestBody": body({"application/json": (reference("LetterEdit"), {"edit": _EDIT})}, "The event, mended."),
        "responses": {
            "200": _shown("The letter, edited."),
            **problems(400, 401, 404, 409, 412, 413, 422, 503),
        },
    },
}
