"""Filter patterns: the rules that a document is held against.

Source: Lambda developer guide, "Control which events Lambda sends to your function" (filter rule syntax). Fields of a
pattern are ANDed, the rules of a field ORed. Strings are compared character by character, numbers by their text (300,
300.0 and 3.0e2 differ) except by `numeric`, and `exists` looks at leaves only.
"""

import json
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

type Pattern = Callable[[Mapping[str, Any]], bool]
type Rule = Callable[[Any], bool]

_MISSING = object()
_COMPARISONS: dict[str, Callable[[Decimal, Decimal], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Number:
    """A JSON number as it was written."""

    text: str


@dataclass(frozen=True, slots=True)
class Message:
    """A field that is a document or a plain text, or neither (both None): rules for the other kind let it pass."""

    document: Any = None
    text: str | None = None


def load(text: str) -> Any:
    """The JSON value of `text`, its numbers as they were written. Raises ValueError where it is not JSON."""
    return json.loads(text, parse_int=Number, parse_float=Number, parse_constant=_refuse_constant)


def parse(text: str) -> Pattern:
    """The pattern that `text` holds, as JSON.

    Raises:
        ValueError: it is no pattern; the message says why.
    """
    try:
        return _fields(load(text))
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError("a filter pattern is a JSON object") from error


def _fields(pattern: Any) -> Pattern:
    if not isinstance(pattern, dict) or not pattern:
        raise ValueError("a filter pattern is a JSON object with at least one field")
    tests: list[Pattern] = []
    for name, wanted in pattern.items():
        if name == "$or":
            tests.append(_either(wanted))
        elif isinstance(wanted, dict):
            tests.append(_nested(name, _fields(wanted)))
        elif isinstance(wanted, list) and wanted:
            tests.append(_leaf(name, [_rule(rule) for rule in wanted]))
        else:
            raise ValueError(f"the filter's field {name} is neither an object nor a list of rules")
    return lambda document: all(test(document) for test in tests)


def _either(listed: Any) -> Pattern:
    if not isinstance(listed, list) or not listed:
        raise ValueError("$or takes a list of patterns")
    patterns = [_fields(one) for one in listed]
    return lambda document: any(pattern(document) for pattern in patterns)


def _nested(name: str, pattern: Pattern) -> Pattern:
    def test(document: Mapping[str, Any]) -> bool:
        inner = document.get(name, {})
        if isinstance(inner, Message):
            if inner.document is None:
                return True
            inner = inner.document
        inside = inner if isinstance(inner, list) else [inner]
        # A field of what is no object is missing there, and `exists: false` may ask for just that.
        return any(pattern(one if isinstance(one, dict) else {}) for one in inside)

    return test


def _leaf(name: str, rules: Sequence[Rule]) -> Pattern:
    def test(document: Mapping[str, Any]) -> bool:
        value = document.get(name, _MISSING)
        if isinstance(value, Message):
            if value.text is None:
                return True
            value = value.text
        return any(rule(value) for rule in rules)

    return test


def _rule(rule: Any) -> Rule:
    if not isinstance(rule, dict):
        if isinstance(rule, list):
            raise ValueError("a filter rule is no list")
        return _for_any(lambda value: _same(value, rule))
    if len(rule) != 1:
        raise ValueError("a filter rule has one operator")
    [(name, operand)] = rule.items()
    if name not in _OPERATORS:
        raise ValueError(f"unknown operator of a filter: {name}")
    return _OPERATORS[name](operand)


def _for_any(test: Rule) -> Rule:
    """Of a list one element is enough; an object is no leaf."""

    def rule(value: Any) -> bool:
        if isinstance(value, list):
            return any(rule(one) for one in value)
        return value is not _MISSING and not isinstance(value, dict) and test(value)

    return rule


def _same(value: Any, wanted: Any) -> bool:
    return type(value) is type(wanted) and bool(value == wanted)


def _text(operand: Any, name: str) -> str:
    if not isinstance(operand, str) or not operand:
        raise ValueError(f"{name} takes a string")
    return operand


def _prefix(operand: Any) -> Rule:
    start = _text(operand, "prefix")
    return _for_any(lambda value: isinstance(value, str) and value.startswith(start))


def _suffix(operand: Any) -> Rule:
    end = _text(operand, "suffix")
    return _for_any(lambda value: isinstance(value, str) and value.endswith(end))


def _ignoring_case(operand: Any) -> Rule:
    wanted = _text(operand, "equals-ignore-case").casefold()
    return _for_any(lambda value: isinstance(value, str) and value.casefold() == wanted)


def _anything_but(operand: Any) -> Rule:
    excluded = operand if isinstance(operand, list) else [operand]
    if not excluded or not all(isinstance(one, str | Number) for one in excluded):
        raise ValueError("anything-but takes strings or numbers")
    return _for_any(lambda value: not any(_same(value, one) for one in excluded))


def _exists(operand: Any) -> Rule:
    if not isinstance(operand, bool):
        raise ValueError("exists takes true or false")
    present = _for_any(lambda _: True)
    return lambda value: present(value) is operand


def _numeric(operand: Any) -> Rule:
    if not isinstance(operand, list) or len(operand) not in (2, 4):
        raise ValueError("numeric takes one or two comparisons")
    bounds: list[tuple[Callable[[Decimal, Decimal], bool], Decimal]] = []
    for name, bound in zip(operand[::2], operand[1::2], strict=True):
        if not isinstance(name, str) or name not in _COMPARISONS or not isinstance(bound, Number):
            raise ValueError("numeric compares with =, <, <=, > or >= and a number")
        bounds.append((_COMPARISONS[name], Decimal(bound.text)))

    def test(value: Any) -> bool:
        return isinstance(value, Number) and all(compare(Decimal(value.text), bound) for compare, bound in bounds)

    return _for_any(test)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_OPERATORS: dict[str, Callable[[Any], Rule]] = {
    "prefix": _prefix,
    "suffix": _suffix,
    "equals-ignore-case": _ignoring_case,
    "anything-but": _anything_but,
    "exists": _exists,
    "numeric": _numeric,
}
