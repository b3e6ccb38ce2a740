from collections.abc import Iterator
from pathlib import Path

import pytest

from millrace_harness.parts import Paths, Stack
from millrace_harness.parts.paths import default_cache

CHECKOUT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """All parts, for the whole session: tests that stop one start it again."""
    stack = Stack(Paths(CHECKOUT, tmp_path_factory.mktemp("parts") / "state", default_cache()))
    try:
        stack.up(print)
        yield stack
    finally:
        stack.down()
