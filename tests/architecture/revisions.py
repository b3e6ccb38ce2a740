"""The revisions of the schema as text, and what must not stand in one: expand first, contract later, lock nobody out.

While a deploy runs, and when it is taken back, functions of the version before work on the new schema. So a revision
adds, and takes away nothing that the version before reads. What nobody reads any more may go, in one that says so:

    CONTRACTS = {"events.waiter": "0009"}

names what it takes away (a table, an index, or `table.column`) and the revision since which nothing reads it. That must
be an earlier one than the revision right before: so a version that does not read it has been deployed in between.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.architecture.checkout import ROOT

FOLDER = ROOT / "shared" / "adapters" / "postgres" / "migrations" / "versions"

_NAME = r'"?(?P<name>[\w.]+)"?'
_TAKEN = (
    re.compile(rf"\bDROP\s+(?:TABLE|INDEX|VIEW)\s+(?:CONCURRENTLY\s+)?(?:IF\s+EXISTS\s+)?{_NAME}", re.I),
    re.compile(rf"\bTRUNCATE\s+(?:TABLE\s+)?{_NAME}", re.I),
)
_ALTER = re.compile(rf"\bALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?{_NAME}(?P<what>[^;]*)", re.I)
_ALTERED = (
    re.compile(r'\bDROP\s+COLUMN\s+(?:IF\s+EXISTS\s+)?"?(?P<column>\w+)"?', re.I),
    re.compile(r'\bRENAME\s+(?:COLUMN\s+)?"?(?P<column>\w+)"?\s+TO\b', re.I),
    re.compile(r'\bALTER\s+(?:COLUMN\s+)?"?(?P<column>\w+)"?\s+(?:SET\s+DATA\s+)?TYPE\b', re.I),
    re.compile(r'\bALTER\s+(?:COLUMN\s+)?"?(?P<column>\w+)"?\s+SET\s+NOT\s+NULL\b', re.I),
)
_RENAMED = re.compile(r"\bRENAME\s+TO\b", re.I)
_NEEDED = re.compile(r'\bADD\s+(?:COLUMN\s+)?"?(?P<column>\w+)"?\s+(?P<rest>[^,;]*\bNOT\s+NULL\b[^,;]*)', re.I)
_MADE = re.compile(rf"\bCREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?{_NAME}", re.I)
_INDEX = re.compile(
    rf'\bCREATE\s+(?:UNIQUE\s+)?INDEX\s+(?P<how>CONCURRENTLY\s+)?(?:IF\s+NOT\s+EXISTS\s+)?"?\w+"?\s+ON\s+(?P<only>ONLY\s+)?{_NAME}',
    re.I,
)


@dataclass(frozen=True)
class Revision:
    """One revision. `sql` is what its `upgrade` executes, `calls` the other operations of Alembic that it uses."""

    number: str
    before: str | None
    sql: tuple[str, ...]
    calls: frozenset[str]
    contracts: dict[str, str]


def revision_of(source: str) -> Revision:
    """The revision that stands in `source`."""
    tree = ast.parse(source)
    names = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in _READ
    }
    (upgrade,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "upgrade")
    calls = [
        node
        for node in ast.walk(upgrade)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is_op(node.func.value)
    ]
    return Revision(
        number=names["revision"],
        before=names["down_revision"],
        sql=tuple(_text(call.args[0]) for call in calls if _attribute(call) == "execute"),
        calls=frozenset(_attribute(call) for call in calls) - {"execute"},
        contracts=names.get("CONTRACTS", {}),
    )


_READ = ("revision", "down_revision", "CONTRACTS")


def _is_op(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "op"


def _attribute(call: ast.Call) -> str:
    assert isinstance(call.func, ast.Attribute)
    return call.func.attr


def _text(node: ast.expr) -> str:
    found = ast.literal_eval(node)  # what is put together while it runs cannot be looked at
    assert isinstance(found, str)
    return re.sub(r"--[^\n]*", "", found)


def faults(revision: Revision, order: list[str]) -> list[str]:
    """What is wrong with `revision`; `order` are the numbers of all, the first one first."""
    found = [f"op.{call}: write it as SQL, which is looked at" for call in sorted(revision.calls)]
    taken = list(_taken(revision.sql))
    for what in taken:
        since = revision.contracts.get(what)
        if since is None:
            found.append(f"takes away {what}, which the version before may read")
        elif since not in order or order.index(since) >= order.index(revision.number) - 1:
            found.append(f"takes away {what} before a version was deployed that does not read it")
    found += [f"CONTRACTS names {what}, which stays" for what in revision.contracts if what not in taken]
    made = {match["name"] for sql in revision.sql for match in _MADE.finditer(sql)}
    for sql in revision.sql:
        found += [
            f"builds an index on {match['name']} and locks writers out meanwhile: CONCURRENTLY, partition by partition"
            for match in _INDEX.finditer(sql)
            if match["name"] not in made and not (match["how"] or match["only"])
        ]
    return found


def _taken(statements: tuple[str, ...]) -> Iterator[str]:
    for sql in statements:
        for pattern in _TAKEN:
            yield from (match["name"] for match in pattern.finditer(sql))
        for altered in _ALTER.finditer(sql):
            table, what = altered["name"], altered["what"]
            for pattern in _ALTERED:
                columns = (match["column"] for match in pattern.finditer(what))
                yield from (f"{table}.{column}" for column in columns if column.upper() != "TO")
            if _RENAMED.search(what):
                yield table
            yield from (
                f"{table}.{match['column']}"  # the version before writes rows without it
                for match in _NEEDED.finditer(what)
                if not re.search(r"\bDEFAULT\b", match["rest"], re.I)
            )


def _in_order(found: dict[str | None, Revision]) -> Iterator[Revision]:
    before: str | None = None
    while before in found:
        yield found[before]
        before = found[before].number


def _read(folder: Path) -> list[Revision]:
    revisions = [revision_of(path.read_text()) for path in sorted(folder.glob("[0-9]*.py"))]
    by_before = {revision.before: revision for revision in revisions}
    ordered = list(_in_order(by_before))
    assert len(ordered) == len(revisions), "the revisions are not one chain"
    return ordered


REVISIONS = _read(FOLDER)
