from collections.abc import Iterator
from pathlib import Path

import pytest
from plugin_cloud import Cloud

from millrace_harness.parts import Paths, Stack
from millrace_harness.parts.localstack import LocalStack
from millrace_harness.parts.paths import default_cache

CHECKOUT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """LocalStack, and of the other parts only Kafka."""
    stack = Stack(Paths(CHECKOUT, tmp_path_factory.mktemp("cloud") / "state", default_cache()))
    stack.fetch(print)
    kafka, localstack = stack.part("kafka"), LocalStack("localstack", stack.paths, stack.ledger)
    try:
        for part in (localstack, kafka):
            part.start()
        for part in (localstack, kafka):
            part.wait()
        yield Cloud(f"http://127.0.0.1:{localstack.report().port}", f"127.0.0.1:{kafka.report().port}")
    finally:
        localstack.stop()
        stack.down()
