"""What the OpenAPI document says of jobs."""

from datetime import datetime

from shared.events.topics import EVENTS
from shared.jobs.model import MAX_RATE
from shared.jobs.requests import MOST_IDS
from shared.kit.ids import uuid8
from shared.runtime.openapi import Operation, Schema, answer, body, header, parameter, problems, reference

_MOMENT: Schema = {"type": "string", "format": "date-time"}
_UUID: Schema = {"type": "string", "format": "uuid"}
_WORD: Schema = {"type": "string", "pattern": "^[A-Za-z0-9./_-]{1,40}$"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_FIGURE: Schema = {"type": ["number", "null"]}
_PACE: dict[str, Schema] = {
    "rate": {"type": "integer", "minimum": 1, "maximum": MAX_RATE, "description": "Events a second; 1000 by default."},
    "dry_run": {"type": "boolean", "description": "Only count, and show the first few ids."},
}


def _closed(properties: dict[str, Schema], *required: str) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        **({"required": [*required]} if required else {}),
    }


_EVENTS = _closed({name: _WORD for name in ("type", "source", "subject")})
_LETTERS = _closed(
    {
        **{name: _WORD for name in ("code", "topic", "type", "source", "subject")},
        "partition": {"type": "integer", "minimum": 0, "maximum": 999},
        "since": _MOMENT,
        "until": _MOMENT,
    }
)

SCHEMAS: dict[str, Schema] = {
    "LettersAsked": {
        "description": "Dead letters by their ids, or by what they are; an empty filter fits all.",
        "oneOf": [
            _closed({"ids": {"type": "array", "items": _UUID, "minItems": 1, "maxItems": MOST_IDS}, **_PACE}, "ids"),
            _closed({"filter": _LETTERS, **_PACE}, "filter"),
        ],
    },
    "ReplayAsked": _closed(
        {
            "from": _MOMENT | {"description": "Events received at this moment or later …"},
            "to": _MOMENT | {"description": "… and before this one."},
            "filter": _EVENTS,
            "mode": {
                "type": "string",
                "enum": ["if_missing", "force"],
                "description": "if_missing stores what the log has and storage has not. force appends every event to "
                "the log again, for all who read it; storage keeps one row.",
            },
            **_PACE,
        },
        "from",
        "to",
    ),
    "ErasureAsked": _closed({"subject": _WORD}, "subject"),
    "Job": {
        "type": "object",
        "required": [
            "id",
            "kind",
            "state",
            "created_at",
            "created_by",
            "changed_at",
            "progress",
            "result",
        ],
        "properties": {
            "id": _UUID,
            "kind": {"type": "string", "enum": ["redrive", "discard", "replay", "erasure"]},
            "state": {"type": "string", "enum": ["queued", "running", "paused", "cancelled", "done", "failed"]},
            "asked": {
                "type": "object",
                "description": "What was asked; not in the answer that begins the job. "
                "Of an erasure that is done nothing is left.",
            },
            "created_at": _MOMENT,
            "created_by": {"type": "string"},
            "changed_at": _MOMENT,
            "progress": {
                "type": "object",
                "required": ["total", "looked", "done", "skipped", "failed", "per_second", "seconds_left", "message"],
                "properties": {
                    "total": {
                        "type": ["integer", "null"],
                        "description": "What there is to look at; null: unknown. Of a replay it is an estimate: what "
                        "storage counts of the tenant's own events, and what storage lacks comes on top.",
                    },
                    "looked": _COUNT | {"description": "How much of it was looked at."},
                    "done": _COUNT,
                    "skipped": _COUNT | {"description": "What needed nothing to be done."},
                    "failed": _COUNT | {"description": "What cannot be done."},
                    "per_second": _FIGURE | {"description": "What is looked at in a second, as seen until now."},
                    "seconds_left": _FIGURE | {"description": "An estimate, from that."},
                    "message": {"type": ["string", "null"], "description": "What it waits for, or why it failed."},
                },
            },
            "result": {"type": "object", "description": "The kind's own: ids of the first few, of failures, a proof."},
        },
    },
    "JobPage": {
        "type": "object",
        "required": ["jobs", "next"],
        "properties": {
            "jobs": {"type": "array", "items": reference("Job")},
            "next": {"type": ["string", "null"], "description": "The `before` of the page that follows."},
        },
    },
}

_ID_EXAMPLE = "019cb786-cf58-7000-8000-0000000000a1"
_LETTER = str(uuid8("dead letter", EVENTS.name, "3", "17"))
_AT = datetime.fromisoformat("2026-03-04T05:06:07Z").isoformat().replace("+00:00", "Z")
_JOB = {
    "id": _ID_EXAMPLE,
    "kind": "redrive",
    "state": "running",
    "asked": {"ids": [_LETTER], "rate": 1000, "dry_run": False},
    "created_at": _AT,
    "created_by": "development-key",
    "changed_at": _AT,
    "progress": {
        "total": 5000,
        "looked": 1500,
        "done": 1498,
        "skipped": 1,
        "failed": 1,
        "per_second": 1000.0,
        "seconds_left": 3.5,
        "message": None,
    },
    "result": {"sample": [_LETTER], "failed_letters": []},
}
_BEGUN = {name: value for name, value in _JOB.items() if name != "asked"}
_ID = parameter("path", "id", "The job's id.", _UUID, required=True, example=_ID_EXAMPLE)
_KEY = parameter(
    "header",
    "Idempotency-Key",
    "A key of one's own for this request: sent again, it begins no second job. Kept for 24 hours.",
    {"type": "string", "pattern": "^[!#-\\[\\]-~]{1,255}$"},
)
_BEGUN_HEADERS = {
    "Location": header("The job, relative to this path."),
    "Idempotency-Replayed": header("`true`: this is the answer of the first time."),
    "Degraded": header("`idempotency`: the key could not be looked up."),
}


def _beginning(name: str, summary: str, description: str, schema: str, examples: dict[str, object]) -> Operation:
    return {
        "operationId": name,
        "summary": summary,
        "description": f"{description} A job does it, which is watched and stopped under `/v1/jobs/{{id}}`.",
        "tags": ["jobs"],
        "parameters": [_KEY],
        "requestBody": body({"application/json": (reference(schema), examples)}, "What is to be done."),
        "responses": {
            "202": answer(
                "The job. It is durable, and begins in a moment.", reference("Job"), _BEGUN, headers=_BEGUN_HEADERS
            ),
            **problems(400, 401, 409, 422, 503),
        },
    }


def _steering(name: str, summary: str, description: str) -> Operation:
    return {
        "operationId": name,
        "summary": summary,
        "description": description,
        "tags": ["jobs"],
        "parameters": [_ID],
        "responses": {
            "200": answer("The job as it is now.", reference("Job"), _JOB),
            **problems(401, 404, 409, 503),
        },
    }


_LETTERS_EXAMPLES: dict[str, object] = {
    "ids": {"ids": [_LETTER], "rate": 100},
    "filter": {"filter": {"code": "not_an_event", "type": "order.placed"}, "dry_run": True},
}

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("POST", "/v1/dead-letters/redrive"): _beginning(
        "redriveDeadLetters",
        "Send dead letters on their way again",
        "Each is appended to the log as the event it is, or was edited to be, with its own identity: redriven twice, "
        "it is one row. One that is no event stays dead, and so does one whose event nobody keeps any more.",
        "LettersAsked",
        _LETTERS_EXAMPLES,
    ),
    ("POST", "/v1/dead-letters/discard"): _beginning(
        "discardDeadLetters",
        "Give dead letters up",
        "They are kept, and count as settled.",
        "LettersAsked",
        _LETTERS_EXAMPLES,
    ),
    ("POST", "/v1/replays"): _beginning(
        "replayEvents",
        "Bring events of a span of time again",
        "From the log while it has them, else from storage.",
        "ReplayAsked",
        {
            "if_missing": {"from": "2026-03-04T00:00:00Z", "to": "2026-03-05T00:00:00Z"},
            "force": {
                "from": "2026-03-04T00:00:00Z",
                "to": "2026-03-05T00:00:00Z",
                "filter": {"type": "order.placed"},
                "mode": "force",
                "rate": 500,
            },
        },
    ),
    ("POST", "/v1/erasures"): _beginning(
        "eraseSubject",
        "Remove a subject's events",
        "Rows, cached answers, dead letters and spooled objects of what was received until now. The job's result is a "
        "proof, which no longer names the subject.",
        "ErasureAsked",
        {"subject": {"subject": "customer-17"}},
    ),
    ("GET", "/v1/jobs"): {
        "operationId": "getJobs",
        "summary": "Jobs, the newest first",
        "tags": ["jobs"],
        "parameters": [
            parameter("query", "before", "Jobs begun before this one.", _UUID),
            parameter("query", "limit", "Jobs a page, at most.", {"type": "integer", "minimum": 1, "maximum": 200}),
        ],
        "responses": {
            "200": answer("A page.", reference("JobPage"), {"jobs": [_JOB], "next": None}),
            **problems(401, 422, 503),
        },
    },
    ("GET", "/v1/jobs/{id}"): {
        "operationId": "getJob",
        "summary": "One job and how far it is",
        "tags": ["jobs"],
        "parameters": [_ID],
        "responses": {"200": answer("The job.", reference("Job"), _JOB), **problems(401, 404, 503)},
    },
    ("POST", "/v1/jobs/{id}/pause"): _steering(
        "pauseJob", "Pause a job", "It ends what it has begun, and stands still."
    ),
    ("POST", "/v1/jobs/{id}/resume"): _steering(
        "resumeJob", "Resume a job", "One that was paused, or that has failed."
    ),
    ("POST", "/v1/jobs/{id}/cancel"): _steering(
        "cancelJob", "Cancel a job", "It ends what it has begun, and does nothing more. What is done stays done."
    ),
}
