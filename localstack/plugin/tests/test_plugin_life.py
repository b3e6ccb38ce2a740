"""LocalStack as a part: where it listens, and what is left of it."""

from pathlib import Path

import psutil
import pytest
from plugin_cloud import Cloud

from millrace_harness.parts import Paths
from millrace_harness.parts.ledger import Ledger
from millrace_harness.parts.localstack import LocalStack
from millrace_harness.parts.paths import default_cache

CHECKOUT = Path(__file__).parents[3]


@pytest.fixture
def part(tmp_path: Path) -> LocalStack:
    paths = Paths(CHECKOUT, tmp_path / "state", default_cache())
    return LocalStack("localstack", paths, Ledger(paths.state))


def test_it_listens_on_loopback_only_and_leaves_nothing_behind(part: LocalStack) -> None:
    try:
        part.start()
        part.wait()
        cloud = Cloud(f"http://127.0.0.1:{part.report().port}", "")
        pid, _ = cloud.invoke(cloud.function("import os\ndef handler(event, context):\n    return os.getpid()"))
        family = _family(part)
        assert pid in {process.pid for process in family}
        assert {address for process in family for address in _listening(process)} == {"127.0.0.1"}
        part.start()  # changes nothing
        assert _family(part)[0] == family[0]
    finally:
        part.stop()
    assert part.report().state == "stopped"
    assert [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE] == []


def test_the_bucket_and_the_version_that_the_cdk_asks_for_are_there(cloud: Cloud) -> None:
    parameter = cloud.client("ssm").get_parameter(Name="/cdk-bootstrap/hnb659fds/version")["Parameter"]
    assert int(parameter["Value"]) >= 6
    cloud.client("s3").head_bucket(Bucket="cdk-hnb659fds-assets-000000000000-us-east-1")


def _family(part: LocalStack) -> list[psutil.Process]:
    own = psutil.Process(part.report().pid)
    return [own, *own.children(recursive=True)]


def _listening(process: psutil.Process) -> list[str]:
    found = process.net_connections("all")
    return [connection.laddr.ip for connection in found if connection.status == psutil.CONN_LISTEN]
