"""JSON Schema, draft 2020-12, within bounds: what a stranger may have us compile and run.

Of the draft's keywords these are left out: `$id` below the root, `$dynamicRef`, `$vocabulary` and what the draft itself
calls deprecated. Within one document each of them says nothing that `$ref` does not say.
"""

from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any

import jsonschema_rs
import msgspec

from shared.events.content import faults_in
from shared.events.faults import UNREADABLE
from shared.eventtypes.document import MAX_CHAIN, MAX_LOOKS, Document, Entangled, Place, patterns_of
from shared.eventtypes.validator import MAX_FAULTS, REGEX_BYTES, Validator, faults_of, states
from shared.kit.errors import Fault
from shared.kit.pointer import below

MAX_SCHEMA_BYTES = 64 * 1024
MAX_SUBSCHEMAS = 2000
MAX_DEPTH = 64
MAX_PATTERNS = 50
MAX_STATES = 300
"""Of all patterns of a schema together: that many cost an event of 250 kB about a second."""

_MAX_PATTERN = 1024
_DRAFT = "https://json-schema.org/draft/2020-12/schema"

_LEFT_OUT = {
    "$dynamicRef": "Use $ref.",
    "$dynamicAnchor": "Use $anchor.",
    "$recursiveRef": "Use $ref.",
    "$recursiveAnchor": "Use $anchor.",
    "$vocabulary": "Leave this keyword out.",
    "dependencies": "Use dependentRequired or dependentSchemas.",
}


def schema_faults(raw: bytes, at: str) -> list[Fault]:
    """What keeps `raw` (JSON) from being a schema that is taken here, pointers below `at`, at most 20."""
    if len(raw) > MAX_SCHEMA_BYTES:
        return [Fault(at, "schema_too_large", f"Keep a schema within {MAX_SCHEMA_BYTES} bytes.")]
    try:
        schema = msgspec.json.decode(raw)
    except UNREADABLE:
        return faults_in(raw, at)[:MAX_FAULTS] or [Fault(at, "json", "This cannot be read as JSON.")]
    if not isinstance(schema, dict | bool):
        return [Fault(at, "type", "A schema is an object, or true or false.")]
    for step in (faults_in(raw, at), _size_faults(schema, at), _metaschema_faults(schema, at)):
        if found := list(islice(step, MAX_FAULTS)):
            return found
    document = Document(schema)
    return list(islice(_keyword_faults(document, at), MAX_FAULTS)) or _compiling_faults(document, at)


def _size_faults(schema: Any, at: str) -> Iterator[Fault]:
    """What must hold before anything walks through it. Every object counts as a subschema: that is never too few."""
    waiting = [(schema, at, 1)]
    objects = 0
    while waiting:
        value, where, depth = waiting.pop()
        if depth > MAX_DEPTH:
            yield Fault(where, "nesting", f"Nest a schema at most {MAX_DEPTH} levels deep.")
            return
        if isinstance(value, dict):
            objects += 1
            waiting += [(member, below(where, name), depth + 1) for name, member in value.items()]
        elif isinstance(value, list):
            waiting += [(item, below(where, str(index)), depth + 1) for index, item in enumerate(value)]
    if objects > MAX_SUBSCHEMAS:
        yield Fault(at, "schema_too_large", f"Use at most {MAX_SUBSCHEMAS} objects in a schema.")
    if isinstance(schema, dict) and str(schema.get("$schema", _DRAFT)).removesuffix("#") != _DRAFT:
        yield Fault(below(at, "$schema"), "draft", f"Use {_DRAFT}, or leave it out.")


@cache
def _metaschema() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator({"$ref": _DRAFT}, offline=True)


def _metaschema_faults(schema: Any, at: str) -> Iterator[Fault]:
    found = (fault for error in _metaschema().iter_errors(schema) for fault in faults_of(error, schema, at))
    yield from dict.fromkeys(found)  # the metaschema is made of several, and each says the same


def _keyword_faults(document: Document, at: str) -> Iterator[Fault]:
    patterns = 0
    for place, schema in document.schemas():
        where = _pointer(at, place)
        for name in sorted(_LEFT_OUT.keys() & schema.keys()):
            yield Fault(below(where, name), "keyword", _LEFT_OUT[name])
        if place:
            for name in sorted({"$id", "$schema"} & schema.keys()):
                yield Fault(below(where, name), "keyword", "Use this keyword at the root only.")
        if "$ref" in schema:
            yield from _reference_faults(document, schema["$ref"], below(where, "$ref"))
        given = [pattern for _, pattern in patterns_of(schema)]
        patterns += len(given)
        if any(len(pattern) > _MAX_PATTERN for pattern in given):
            yield Fault(where, "pattern", f"Keep a pattern within {_MAX_PATTERN} characters.")
    if patterns > MAX_PATTERNS:
        yield Fault(at, "pattern", f"Use at most {MAX_PATTERNS} patterns in a schema.")
    else:
        yield from _state_faults(document, at)


def _state_faults(document: Document, at: str) -> Iterator[Fault]:
    """At the first pattern that is too much, with those before it."""
    total = 0
    for place, pattern in document.patterns():
        total += states(pattern) if len(pattern) <= _MAX_PATTERN else 0  # that is a fault already
        if total > MAX_STATES:
            detail = (
                f"Keep all patterns of a schema within {MAX_STATES} characters and classes, each as often as its "
                "counts repeat it. Use maxLength instead of large counts."
            )
            yield Fault(_pointer(at, place), "pattern", detail)
            return


def _reference_faults(document: Document, reference: str, where: str) -> Iterator[Fault]:
    if not reference.startswith("#"):
        yield Fault(where, "remote_reference", "Refer to places within the schema only (#...).")
        return
    try:
        document.target(reference)
    except LookupError:
        yield Fault(where, "reference", "Refer to a subschema that is there.")


def _compiling_faults(document: Document, at: str) -> list[Fault]:
    try:
        document.require_bounded()
        Validator(document.root)
    except Entangled:
        detail = (
            f"References lead in a circle, or to more than {MAX_LOOKS} subschemas for one value (and each "
            "character or class of a pattern counts, as often as it is repeated), or through more than "
            f"{MAX_CHAIN} in a row."
        )
        return [Fault(at, "references", detail)]
    except jsonschema_rs.ValidationError as error:
        # The metaschema had nothing against it: what is left is a regular expression.
        detail = f"Use a pattern without look-around and back-references, of at most {REGEX_BYTES} bytes when compiled."
        return [Fault(_pointer(at, tuple(map(str, error.instance_path))), "pattern", detail)]
    return []


def _pointer(at: str, place: Place) -> str:
    for step in place:
        at = below(at, step)
    return at
