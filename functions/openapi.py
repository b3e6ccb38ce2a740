"""The OpenAPI document: every function's part, put together and written beside the function that serves it.

python -m functions.openapi            say whether the file is what it should be
python -m functions.openapi --write    write it
"""

import json
import sys
from pathlib import Path
from typing import Any

from functions.ingest import docs as ingest
from functions.manage import docs as manage
from functions.query import docs as query
from shared.runtime.openapi import document

FILE = Path(__file__).parent / "manage" / "openapi.json"
PARTS = {"ingest": ingest, "query": query, "manage": manage}


def openapi() -> dict[str, Any]:
    """The document, OpenAPI 3.1.0."""
    operations = {key: operation for part in PARTS.values() for key, operation in part.OPERATIONS.items()}
    schemas = {name: schema for part in PARTS.values() for name, schema in part.SCHEMAS.items()}
    return document(operations, schemas)


def written() -> str:
    """The document as its file holds it."""
    return json.dumps(openapi(), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Look, or write. Exit code 1: the file is not what it should be."""
    if sys.argv[1:] == ["--write"]:
        FILE.write_text(written())
    elif not FILE.exists() or FILE.read_text() != written():
        sys.exit(f"{FILE.name} is out of date: python -m functions.openapi --write")


if __name__ == "__main__":
    main()
