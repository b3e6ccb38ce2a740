"""A schema as a graph: where its subschemas are, what its references mean, and how often one value is looked at."""

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Any
from urllib.parse import unquote

from shared.eventtypes.validator import states
from shared.kit.pointer import tokens

type Place = tuple[str, ...]
type Schema = dict[str, Any]

# Keywords whose value is a schema, a list of schemas, or schemas by name (JSON Schema 2020-12, core 10 and 11).
_ONE = (
    *("additionalProperties", "propertyNames", "items", "contains", "not", "if", "then", "else"),
    *("unevaluatedItems", "unevaluatedProperties", "contentSchema"),
)
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_MAPS = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")

# Those that look at the same value as the schema that they stand in.
_BESIDE = ("not", "if", "then", "else")
_BESIDE_LISTS = ("allOf", "anyOf", "oneOf")

MAX_LOOKS = 500
MAX_CHAIN = 32
_MAX_STEPS = 2_000_000  # of the search for the most looks: about a second


class Entangled(Exception):
    """References lead in a circle, or multiply what has to be looked at. It is told as a fault."""


class Document:
    """A schema that is valid by the metaschema, so each keyword is of its type."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self._places: dict[Place, Any] = {}
        self._anchors: dict[str, Any] = {}
        waiting: list[tuple[Place, Any]] = [((), root)]
        while waiting:
            place, schema = waiting.pop()
            self._places[place] = schema
            if isinstance(schema, dict):
                if isinstance(anchor := schema.get("$anchor"), str):
                    self._anchors[anchor] = schema
                waiting += _below(place, schema)

    def schemas(self) -> Iterator[tuple[Place, Schema]]:
        """All subschemas that are objects, the root among them, with their places."""
        return ((place, schema) for place, schema in self._places.items() if isinstance(schema, dict))

    def patterns(self) -> Iterator[tuple[Place, str]]:
        """All regular expressions with their places; that of a member of `patternProperties` is its name."""
        for place, schema in reversed([*self.schemas()]):  # as they are written: they were found from the end
            yield from ((place + below, pattern) for below, pattern in patterns_of(schema))

    def target(self, reference: str) -> Any:
        """The subschema that `reference` (`#…`) means.

        Raises:
            LookupError: there is none.
        """
        scheme, _, fragment = reference.partition("#")
        if scheme:
            raise LookupError
        name = unquote(fragment)
        if name and not name.startswith("/"):
            return self._anchors[name]
        return self._places[tuple(tokens(name))]

    def require_bounded(self) -> None:
        """Look for what would run away. Each state of a pattern counts as one that looks.

        A validator follows every reference anew. Two that lead to one place double the work, again at each level of
        references (a chain of 30 takes a minute) and, where they recur, at each level of the data.

        Raises:
            Entangled: a reference leads back to itself on the same value, or a value might be looked at by more than
                500 subschemas, or through more than 32 of them in a row.
        """
        _Looks(self).require_bounded()

    def beside(self, schema: Schema) -> list[Schema]:
        """The subschemas that look at the same value as `schema`, in one step."""
        found = [schema[name] for name in _BESIDE if name in schema]
        for name in _BESIDE_LISTS:
            found += schema.get(name, ())
        found += schema.get("dependentSchemas", {}).values()
        if "$ref" in schema:
            found.append(self.target(schema["$ref"]))
        return [each for each in found if isinstance(each, dict)]


class _Looks:
    """How many subschemas may look at one value, by the subschema that it begins with."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._schemas = {id(schema): schema for _, schema in document.schemas()}
        self._beside = {key: [id(each) for each in document.beside(schema)] for key, schema in self._schemas.items()}
        self._own = {
            key: 1 + sum(states(pattern) for _, pattern in patterns_of(schema)) for key, schema in self._schemas.items()
        }
        self._steps = 0

    def require_bounded(self) -> None:
        looks = self._at_once()
        groups = {key: list(self._inside(key)) for key in self._schemas}
        changed = True
        while changed:
            changed = False
            for key in reversed(groups):  # what lies deeper was found later
                for group in groups[key]:
                    self._count(len(group) + 1)
                    most = sum(looks[each] for each in group)
                    if most > looks[key]:
                        looks[key], changed = _bounded(most), True

    def _at_once(self) -> dict[int, int]:
        """How many look at a value that a subschema looks at, itself included."""
        looks: dict[int, int] = {}
        chains: dict[int, int] = {}
        try:
            for key in TopologicalSorter(self._beside).static_order():
                looks[key] = _bounded(self._own[key] + sum(looks[each] for each in self._beside[key]))
                chains[key] = 1 + max((chains[each] for each in self._beside[key]), default=0)
                if chains[key] > MAX_CHAIN:
                    raise Entangled
        except CycleError:
            raise Entangled from None
        return looks

    def _inside(self, key: int) -> Iterator[list[int]]:
        """What looks at one and the same member or item of a value that the subschema looks at: for each, a list."""
        together: list[Schema] = []
        waiting = [key]
        while waiting:
            each = waiting.pop()
            together.append(self._schemas[each])
            waiting += self._beside[each]
        names = {name for schema in together for name in schema.get("properties", ())}
        for name in (*names, None):
            yield self._keys(each for schema in together for each in _of_member(schema, name))
        for index in range(1 + max(len(schema.get("prefixItems", ())) for schema in together)):
            yield self._keys(each for schema in together for each in _of_item(schema, index))
        yield self._keys(schema["propertyNames"] for schema in together if "propertyNames" in schema)

    def _keys(self, schemas: Iterator[Any]) -> list[int]:
        keys = [id(each) for each in schemas if isinstance(each, dict)]
        self._count(len(keys) + 1)
        return keys

    def _count(self, steps: int) -> None:
        self._steps += steps
        if self._steps > _MAX_STEPS:
            raise Entangled


def patterns_of(schema: Schema) -> Iterator[tuple[Place, str]]:
    """The regular expressions that `schema` itself has, with their places below it."""
    if "pattern" in schema:
        yield ("pattern",), schema["pattern"]
    for pattern in schema.get("patternProperties", ()):
        yield ("patternProperties", pattern), pattern


def _bounded(looks: int) -> int:
    if looks > MAX_LOOKS:
        raise Entangled
    return looks


def _below(place: Place, schema: Schema) -> Iterator[tuple[Place, Any]]:
    for name in _ONE:
        if name in schema:
            yield (*place, name), schema[name]
    for name in _LISTS:
        for index, each in enumerate(schema.get(name, ())):
            yield (*place, name, str(index)), each
    for name in _MAPS:
        for key, each in schema.get(name, {}).items():
            yield (*place, name, key), each


def _of_member(schema: Schema, name: str | None) -> Iterator[Any]:
    """What looks at the member `name`, or (None) at one that is not named; whatever has a pattern may."""
    properties = schema.get("properties", {})
    if name in properties:
        yield properties[name]
    elif "additionalProperties" in schema:
        yield schema["additionalProperties"]
    yield from schema.get("patternProperties", {}).values()
    if "unevaluatedProperties" in schema:
        yield schema["unevaluatedProperties"]


def _of_item(schema: Schema, index: int) -> Iterator[Any]:
    prefix = schema.get("prefixItems", ())
    if index < len(prefix):
        yield prefix[index]
    elif "items" in schema:
        yield schema["items"]
    for name in ("contains", "unevaluatedItems"):
        if name in schema:
            yield schema[name]
