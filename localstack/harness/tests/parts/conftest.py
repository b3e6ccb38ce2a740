from collections.abc import Iterator
from pathlib import Path

import pytest

from millrace_harness.parts import Endpoints, Paths, Stack
from millrace_harness.parts.paths import default_cache

CHECKOUT = Path(__file__).parents[4]


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """Folders for one test; the cache is the usual one."""
    return Paths(CHECKOUT, tmp_path / "state", default_cache())


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """All parts, for the whole session: tests that stop one start it again."""
    stack = Stack(Paths(CHECKOUT, tmp_path_factory.mktemp("parts") / "state", default_cache()))
    try:
        stack.up(print)
        yield stack
    finally:
        stack.down()


@pytest.fixture(scope="session")
def endpoints(stack: Stack) -> Endpoints:
    return stack.endpoints
