"""One noun everywhere: from a row of the catalog every name of a function follows."""

import ast
import importlib
import inspect
import tomllib
from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute

from functions.catalog import FUNCTIONS, MIGRATE, Function, Http, Kafka
from shared.adapters.postgres import migrate
from shared.runtime import settings
from shared.runtime.settings import Settings
from tests.architecture.checkout import ROOT, files
from tests.fixtures.doors import IngestDoor, ManageDoor, QueryDoor

FOLDER = ROOT / "functions"
NAMES = [function.name for function in FUNCTIONS]
ROUTERS = {"ingest": IngestDoor().router, "query": QueryDoor().router, "manage": ManageDoor().router}
EXTRA = {"manage": {"openapi.json"}}
NAMING = {"application_name", "client_id", "client_name"}  # what PostgreSQL, Kafka and Redis call a connection by
VALUES = {
    "API_KEY_SHA256": "0" * 64,
    "CONNECTION_BUDGET": "1",
    "DATABASE_URL": "postgresql://user:word@127.0.0.1:1/name",
    "DATABASE_READ_URL": "postgresql://user:word@127.0.0.1:1/name",
    "DATABASE_DIRECT_URL": "postgresql://user:word@127.0.0.1:1/name",
    "KAFKA_BOOTSTRAP": "127.0.0.1:1",
    "KAFKA_REPLICATION": "1",
    "MAX_POISON_SHARE": "0.5",
    "REDIS_URL": "redis://127.0.0.1:1",
}

of_each_function = pytest.mark.parametrize("function", FUNCTIONS, ids=NAMES)


def settings_of(function: Function) -> type[Settings]:
    found: type[Settings] = getattr(settings, f"{function.name.title()}Settings")
    return found


def names_given(source: str) -> set[str]:
    """What connections are named in `source`, by a keyword or by a key."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        pairs: list[tuple[Any, ast.expr]] = []
        if isinstance(node, ast.Call):
            pairs = [(keyword.arg, keyword.value) for keyword in node.keywords]
        elif isinstance(node, ast.Dict):
            pairs = [(getattr(key, "value", None), value) for key, value in zip(node.keys, node.values, strict=True)]
        found |= {value.value for name, value in pairs if name in NAMING and isinstance(value, ast.Constant)}
    return {str(name) for name in found}


def test_every_folder_is_in_the_catalog_and_every_row_has_its_folder() -> None:
    assert sorted(NAMES) == sorted(
        {file.parts[1] for file in files() if file.parts[0] == "functions" and len(file.parts) > 2}
    )


@of_each_function
def test_a_function_has_the_files_that_all_have(function: Function) -> None:
    present = {file.parts[2] for file in files() if file.parts[:2] == ("functions", function.name)}
    wanted = {"__init__.py", "handler.py", "wiring.py", "requirements.in", "requirements.txt"}
    wanted |= {"routes.py", "docs.py"} if isinstance(function.trigger, Http) else set()
    present = {f"{name}.py" if name in {"routes", "docs"} else name for name in present}  # those may be packages
    assert present == wanted | EXTRA.get(function.name, set())


@of_each_function
def test_a_handler_is_where_its_name_says(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in settings_of(function).environment_names():
        monkeypatch.setenv(name, VALUES.get(name, "test"))
    module, _, attribute = function.handler.rpartition(".")
    assert module == f"functions.{function.name}.handler"
    assert list(inspect.signature(getattr(importlib.import_module(module), attribute)).parameters) == [
        "event",
        "context",
    ]


@of_each_function
def test_a_handler_reads_the_settings_of_its_name(function: Function) -> None:
    source = (FOLDER / function.name / "handler.py").read_text()
    imported = {
        alias.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and node.module == "shared.runtime.settings"
        for alias in node.names
    }
    assert imported == {settings_of(function).__name__}


@of_each_function
def test_a_handler_has_at_most_15_lines_and_no_if(function: Function) -> None:
    source = (FOLDER / function.name / "handler.py").read_text()
    assert len(source.splitlines()) <= 15
    branches = ast.If | ast.IfExp | ast.Match | ast.BoolOp | ast.Try | ast.For | ast.While
    assert [node for node in ast.walk(ast.parse(source)) if isinstance(node, branches)] == []


@of_each_function
def test_connections_are_named_like_their_function(function: Function) -> None:
    named = names_given((FOLDER / function.name / "wiring.py").read_text())
    if function is MIGRATE:
        named = names_given(inspect.getsource(migrate))  # it makes its connection itself, and throws it away
    assert named == {function.name}


@of_each_function
def test_a_consumer_group_is_named_like_its_function(function: Function) -> None:
    groups = [function.trigger.consumer_group] if isinstance(function.trigger, Kafka) else []
    assert set(groups) <= {function.name}


@of_each_function
def test_the_import_contracts_know_the_function(function: Function) -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    by_id = {contract["id"]: contract for contract in contracts}
    module = f"functions.{function.name}"
    assert module in by_id["functions"]["modules"]
    assert module in by_id["catalog"]["source_modules"]


def test_every_settings_class_belongs_to_a_function() -> None:
    classes = {kind.__name__ for kind in Settings.__subclasses__()}
    assert classes == {settings_of(function).__name__ for function in FUNCTIONS}


def test_every_http_function_has_its_router_here() -> None:
    assert set(ROUTERS) == {function.name for function in FUNCTIONS if isinstance(function.trigger, Http)}


@pytest.mark.parametrize("name", ROUTERS)
def test_the_catalog_and_the_router_serve_the_same_routes(name: str) -> None:
    (function,) = (function for function in FUNCTIONS if function.name == name)
    assert isinstance(function.trigger, Http)
    assert {(route.method, route.path) for route in function.trigger.routes} == served(ROUTERS[name])


def served(router: APIRouter) -> set[tuple[str, str]]:
    """The router's routes in API Gateway's notation: `{id_:path}` is `{id}` there."""
    return {
        (method, route.path.replace("_:path}", "}").replace("_}", "}"))
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
