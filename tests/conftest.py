"""What every suite shares. Nothing is started before a test asks for it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from shared.runtime.loop import environment_loop

if TYPE_CHECKING:
    from millrace_harness.parts.endpoints import Endpoints
    from shared.events.topics import Topic
    from tests.fixtures.parts import Database

# No test is timed: other work may share the cores.
settings.register_profile("millrace", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("millrace")


@pytest.fixture(scope="session")
def endpoints() -> Iterator["Endpoints"]:
    """Where the real parts are."""
    # Imported here: most suites need neither the supervisor nor the drivers.
    from tests.fixtures.parts import real_parts

    with real_parts() as found:
        yield found


@pytest.fixture(scope="session")
def database(endpoints: "Endpoints") -> Iterator["Database"]:
    """A database of the session's own, with the newest schema."""
    from tests.fixtures.parts import fresh_database

    with fresh_database(endpoints) as fresh:
        yield fresh


@pytest.fixture(scope="session")
def topic(endpoints: "Endpoints") -> "Topic":
    """A topic of the session's own, with 4 partitions."""
    from tests.fixtures.parts import fresh_topic

    return fresh_topic(endpoints)


@pytest.fixture(scope="session", autouse=True)
def _environment_loop() -> Iterator[None]:
    """The functions' loop lives as long as its process: here that is the session."""
    yield
    environment_loop().close()
