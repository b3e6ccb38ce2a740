"""That the package can be taken elsewhere, and that each rule says where it is from."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import millrace_harness.mapping

PACKAGE = Path(millrace_harness.mapping.__file__).parent
CONTRACT = sorted(Path(__file__).parent.glob("test_mapping_contract_*.py"))


def _imported(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.mark.parametrize("module", sorted(PACKAGE.glob("*.py")), ids=lambda module: module.stem)
def test_it_imports_itself_the_standard_library_and_the_kafka_client_alone(module: Path) -> None:
    foreign = {name for name in _imported(module) if not name.startswith(millrace_harness.mapping.__name__)}
    assert {name.split(".")[0] for name in foreign} <= {*sys.stdlib_module_names, "confluent_kafka"}


@pytest.mark.parametrize("file", CONTRACT, ids=lambda file: file.stem)
def test_every_rule_of_the_contract_names_its_source_and_the_readme_lists_it(file: Path) -> None:
    readme = (PACKAGE / "README.md").read_text()
    rules = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef)]
    for rule in (rule for rule in rules if rule.name.startswith("test_")):
        said = ast.get_docstring(rule) or ""
        if said.startswith(("Own choice: ", "API reference, ")):
            continue
        pages = re.findall(r"\b(?:kafka|kinesis|services|invocation|with)-[a-z-]+", said)
        assert pages, f"{rule.name} names no page"
        assert all(page in readme for page in pages), f"{rule.name}: {pages}"
