"""JSON Schema, draft 2020-12, within bounds: what a stranger may have us compile and run."""

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import msgspec

from shared.kit.errors import Fault
from shared.kit.pointer import below

MAX_SCHEMA_BYTES = 64 * 1024
MAX_SUBSCHEMAS = 2000
MAX_DEPTH = 64
MAX_FAULTS_OF_DATA = 20
_MAX_PATTERN = 1024
_REGEX_BYTES = 1024 * 1024  # of a compiled pattern

# Linear time: this engine has no backtracking, and so neither look-around nor back-references.
_PATTERNS = jsonschema_rs.RegexOptions(size_limit=_REGEX_BYTES)
_DRAFT = ("https://json-schema.org/draft/2020-12/schema", "https://json-schema.org/draft/2020-12/schema#")
_REFERENCES = ("$ref", "$dynamicRef")

_RULES = {
    "type": "Use a value of the type that is asked for.",
    "required": "A member that is required is missing.",
    "enum": "Use one of the values that are listed.",
    "const": "Use the value that is asked for.",
    "pattern": "Use a text that fits the pattern.",
    "format": "Use a text of the format that is asked for.",
    "additionalProperties": "A member is not known here.",
    "unevaluatedProperties": "A member is not known here.",
    "falseSchema": "Nothing is allowed here.",
}


class Validator:
    """A compiled schema."""

    def __init__(self, schema: Any) -> None:
        self._compiled = jsonschema_rs.Draft202012Validator(
            schema, validate_formats=True, offline=True, pattern_options=_PATTERNS
        )

    def faults(self, data: bytes | None, at: str) -> list[Fault]:
        """The faults of `data` (JSON; None: there is none), pointers below `at`, at most 20."""
        if data is None:
            return [Fault(at, "required", "This type's events have data.")]
        value = msgspec.json.decode(data)
        if self._compiled.is_valid(value):
            return []
        found: list[Fault] = []
        for error in self._compiled.iter_errors(value):
            found.append(_fault(error, at))
            if len(found) == MAX_FAULTS_OF_DATA:
                break
        return found


def schema_faults(raw: bytes, at: str) -> list[Fault]:
    """What keeps `raw` (JSON) from being a schema that is taken here, pointers below `at`."""
    if len(raw) > MAX_SCHEMA_BYTES:
        return [Fault(at, "schema_too_large", f"Keep a schema within {MAX_SCHEMA_BYTES} bytes.")]
    schema = msgspec.json.decode(raw)
    if not isinstance(schema, dict | bool):
        return [Fault(at, "type", "A schema is an object, or true or false.")]
    faults = list(_bounds(schema, at))
    if faults:
        return faults[:MAX_FAULTS_OF_DATA]
    try:
        Validator(schema)
    except jsonschema_rs.ValidationError as error:
        return [_fault(error, at)]
    except (ValueError, jsonschema_rs.ReferencingError):
        return [Fault(at, "schema", "This is no schema of draft 2020-12.")]
    return []


def _bounds(schema: Any, at: str) -> Iterator[Fault]:
    """What the metaschema does not say. Every object counts as a subschema: that is never too few."""
    waiting = [(schema, at, 1)]
    objects = 0
    while waiting:
        value, where, depth = waiting.pop()
        if depth > MAX_DEPTH:
            yield Fault(where, "nesting", f"Nest a schema at most {MAX_DEPTH} levels deep.")
            return
        if isinstance(value, dict):
            objects += 1
            yield from _keywords(value, where)
            waiting += [(member, below(where, name), depth + 1) for name, member in value.items()]
        elif isinstance(value, list):
            waiting += [(item, below(where, str(index)), depth + 1) for index, item in enumerate(value)]
    if objects > MAX_SUBSCHEMAS:
        yield Fault(at, "schema_too_large", f"Use at most {MAX_SUBSCHEMAS} objects in a schema.")


def _keywords(value: dict[str, Any], where: str) -> Iterator[Fault]:
    for name in _REFERENCES:
        reference = value.get(name)
        if isinstance(reference, str) and not reference.startswith("#"):
            yield Fault(below(where, name), "remote_reference", "Refer to places within the schema only (#...).")
    for name in ("$id", "$vocabulary"):
        if isinstance(value.get(name), str | dict):
            yield Fault(below(where, name), "remote_reference", "Leave this keyword out: nothing is looked up.")
    draft = value.get("$schema")
    if isinstance(draft, str) and draft not in _DRAFT:
        yield Fault(below(where, "$schema"), "draft", f"Use {_DRAFT[0]}, or leave it out.")
    pattern = value.get("pattern")
    if isinstance(pattern, str) and len(pattern) > _MAX_PATTERN:
        yield Fault(below(where, "pattern"), "length", f"Keep a pattern within {_MAX_PATTERN} characters.")


def _fault(error: jsonschema_rs.ValidationError, at: str) -> Fault:
    pointer = at
    for step in error.instance_path:
        pointer = below(pointer, str(step))
    name = error.kind.name
    if name == "required":
        pointer = below(pointer, str(error.kind.as_dict()["property"]))  # the schema's word, not the sender's
    return Fault(pointer, name, _RULES.get(name, "This value is not what the schema asks for."))
