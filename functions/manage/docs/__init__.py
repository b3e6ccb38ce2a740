"""What the OpenAPI document says of `manage`. Read when the document is written, never by the function."""

from functions.manage.docs import deadletters, documents, eventtypes, jobs, status
from shared.runtime.openapi import Operation, Schema

_GROUPS = (eventtypes, deadletters, jobs, status, documents)

SCHEMAS: dict[str, Schema] = {name: schema for group in _GROUPS for name, schema in group.SCHEMAS.items()}

OPERATIONS: dict[tuple[str, str], Operation] = {
    key: operation for group in _GROUPS for key, operation in group.OPERATIONS.items()
}
