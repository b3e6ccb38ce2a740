"""What the OpenAPI document says of the documents."""

from shared.runtime.openapi import Operation, Schema, answer, problems

SCHEMAS: dict[str, Schema] = {}

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("GET", "/openapi.json"): {
        "operationId": "getOpenApi",
        "summary": "This document",
        "tags": ["documents"],
        "security": [],
        "responses": {"200": answer("OpenAPI 3.1.", {"type": "object"}, {"openapi": "3.1.0"})},
    },
    ("GET", "/asyncapi.json"): {
        "operationId": "getAsyncApi",
        "summary": "The tenant's event types as an AsyncAPI document",
        "tags": ["documents"],
        "responses": {"200": answer("AsyncAPI 3.0.", {"type": "object"}, {"asyncapi": "3.0.0"}), **problems(401, 503)},
    },
    ("GET", "/docs"): {
        "operationId": "getDocs",
        "summary": "This document, to look at and to try",
        "tags": ["documents"],
        "security": [],
        "responses": {"200": {"description": "A page.", "content": {"text/html": {"schema": {"type": "string"}}}}},
    },
}
