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
def endpoints(stack: Stack) -> Endpoints:
    return stack.endpoints
