"""What the OpenAPI document says of the status."""

from typing import Any

from shared.events.topics import EVENTS
from shared.runtime.openapi import Operation, Schema, answer, header, problems, reference

_COUNT: Schema = {"type": "integer", "minimum": 0}
_SECONDS: Schema = {"type": ["number", "null"], "minimum": 0}


def _section(properties: dict[str, Schema]) -> Schema:
    """One part's figures, or that it is away."""
    there: Schema = {
        "type": "object",
        "required": ["state", *properties],
        "additionalProperties": False,
        "properties": {"state": {"const": "ok"}, **properties},
    }
    away: Schema = {
        "type": "object",
        "required": ["state"],
        "additionalProperties": False,
        "properties": {"state": {"const": "unavailable"}},
    }
    return {"oneOf": [there, away]}


_PARTITION: dict[str, Schema] = {
    "partition": _COUNT,
    "done": _COUNT | {"description": "The offset before which the group has done everything."},
    "end": _COUNT | {"description": "The offset of the record that comes next."},
    "lag": _COUNT | {"description": "Records that are there and not done."},
    "lost": _COUNT | {"description": "Records that the topic dropped before they were done."},
    "oldest_at": {"type": ["string", "null"], "format": "date-time", "description": "The first one that is not done."},
}
_CONSUMER: dict[str, Schema] = {
    "group": {"type": "string"},
    "topic": {"type": "string"},
    "lag": _COUNT,
    "lost": _COUNT,
    "oldest_age_seconds": _SECONDS | {"description": "Null: nothing waits."},
    "retention_seconds": _SECONDS | {"description": "The topic's, as its broker tells it. Null: it keeps everything."},
    "time_to_loss_seconds": _SECONDS | {"description": "Until the oldest record is dropped. Null: nothing waits."},
    "partitions": {
        "type": "array",
        "items": {"type": "object", "required": list(_PARTITION), "properties": _PARTITION},
    },
}
_MILLISECONDS: Schema = {"type": ["number", "null"]}

SCHEMAS: dict[str, Schema] = {
    "SystemStatus": {
        "type": "object",
        "required": ["state", "at", "log", "dead_letters", "latency", "connections", "partitions"],
        "properties": {
            "state": {"enum": ["ok", "degraded"], "description": "Degraded: a part did not answer in its time."},
            "at": {"type": "string", "format": "date-time"},
            "log": _section(
                {
                    "consumers": {
                        "type": "array",
                        "items": {"type": "object", "required": list(_CONSUMER), "properties": _CONSUMER},
                    }
                }
            ),
            "dead_letters": _section(
                {"dead": _COUNT | {"description": "That wait for somebody. Counted up to 100,000."}}
            ),
            "latency": _section({"sampled": _COUNT, **dict.fromkeys(("p50_ms", "p95_ms", "p99_ms"), _MILLISECONDS)}),
            "connections": _section(dict.fromkeys(("in_use", "most", "budget"), _COUNT)),
            "partitions": _section(
                {
                    "ahead": _COUNT | {"description": "Days after today, up to 7."},
                    "oldest": {"type": ["string", "null"], "format": "date"},
                    "default_rows": _COUNT | {"description": "Events that lie in no day's partition; should be 0."},
                }
            ),
        },
    }
}

_EXAMPLE: dict[str, Any] = {
    "state": "degraded",
    "at": "2026-03-04T05:06:07Z",
    "log": {
        "state": "ok",
        "consumers": [
            {
                "group": "persist",
                "topic": EVENTS.name,
                "lag": 12,
                "lost": 0,
                "oldest_age_seconds": 3.2,
                "retention_seconds": 604800.0,
                "time_to_loss_seconds": 604796.8,
                "partitions": [
                    {"partition": 0, "done": 88, "end": 100, "lag": 12, "lost": 0, "oldest_at": "2026-03-04T05:06:03Z"}
                ],
            }
        ],
    },
    "dead_letters": {"state": "ok", "dead": 0},
    "latency": {"state": "unavailable"},
    "connections": {"state": "ok", "in_use": 9, "most": 100, "budget": 60},
    "partitions": {"state": "ok", "ahead": 7, "oldest": "2026-02-02", "default_rows": 0},
}

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("GET", "/v1/status"): {
        "operationId": "getStatus",
        "summary": "How far behind everything is, and how long until something is lost",
        "description": "Answered in 5 s also while parts are away: their sections say so.",
        "tags": ["status"],
        "responses": {
            "200": answer(
                "The status.",
                reference("SystemStatus"),
                _EXAMPLE,
                headers={"Cache-Control": header("It is of this moment.")},
            ),
            **problems(401, 403),
        },
    }
}
