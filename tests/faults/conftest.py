"""Everything here takes a part away from real ones, and gives it back: from a deployed LocalStack, or from a rig."""

from collections.abc import Iterator

import pytest

from millrace_harness.parts.endpoints import Endpoints
from tests.fixtures.deployment import api, ledger, parts, spool, url
from tests.fixtures.rig import Rig, a_rig
from tests.fixtures.way import Way, a_way

__all__ = ["api", "ledger", "parts", "spool", "url"]


@pytest.fixture(scope="session")
def rig(endpoints: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One for all tests: each leaves its wires well and its parts running."""
    with a_rig(endpoints, tmp_path_factory.mktemp("rig")) as made:
        yield made


@pytest.fixture
def way(rig: Rig) -> Iterator[Way]:
    """A test's own way through the rig."""
    with a_way(rig) as made:
        yield made
