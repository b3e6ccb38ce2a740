"""LocalStack as a part: one process on loopback, ready for `cdk deploy`, with the plugin of `localstack/plugin`."""

import http.client
import os
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import psutil

from millrace_harness.parts import processes, wheels
from millrace_harness.parts.cache import Cache
from millrace_harness.parts.commands import run
from millrace_harness.parts.kafka import Kafka
from millrace_harness.parts.part import Part, Server
from millrace_harness.parts.processes import MARK, Process

PACKAGE = "localstack-core[runtime]"
CATALOG = Path("usr", "lib", "localstack")  # under its root; where LocalStack looks for what was made beforehand
CATALOG_SECONDS = 120
REGION = "us-east-1"
TIMEOUT_SECONDS = 5  # LocalStack's side holds the answer back until it is ready, for 2 s at most
CHILD_GRACE_SECONDS = 3
ADVICE = "Is its environment installed? `localstack/dev up` does that."


class LocalStack(Part):
    """AWS on one port. Nothing of it is kept over a stop.

    It runs in an environment of its own (`.millrace/venvs/localstack`), its functions in that of Lambda's Python
    (`.millrace/venvs/runtime`). Kafka is found through the same ledger, so it may be started before Kafka is.
    """

    title: ClassVar[str] = "LocalStack"
    patience_seconds: ClassVar[float] = 120  # its first start after an installation compiles: 30 s on two busy cores

    @property
    def version(self) -> str:
        """LocalStack's, as it is locked."""
        return wheels.locked_version(self.paths, PACKAGE)

    @property
    def folder(self) -> Path:
        """All it writes: unpacked functions, temporary files, its certificate."""
        return self.paths.data / self.name

    def servers(self) -> Sequence[Server]:
        """Begin with an empty folder: LocalStack never removes the functions it has unpacked."""
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "tmp").mkdir(parents=True)
        catalog = Cache(self.paths.cache, _silent).entry(self._catalog, self._make_catalog, what="LocalStack's catalog")
        shutil.copytree(catalog / CATALOG, self._root / CATALOG)
        port = self.ledger.port(self.name)
        # A shell's settings must not reach it: LocalStack reads dozens of plain names such as DEBUG and SERVICES, its
        # clients read AWS_PROFILE and proxies, and all of them would change what runs here.
        clean = ("env", "-i", *(f"{name}={value}" for name, value in self._variables(port).items()))
        command = (*clean, str(self._python), "-m", "localstack.runtime.main")
        return [Server(name=self.name, command=command, port=port)]

    def answers(self) -> bool:
        """True when the services of a deployment are loaded and what `cdk bootstrap` makes is there."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ledger.port(self.name), timeout=TIMEOUT_SECONDS)
        try:
            connection.request("GET", "/_millrace/ready")
            return connection.getresponse().status == http.HTTPStatus.OK
        except http.client.HTTPException:
            return False
        finally:
            connection.close()

    def _end(self, number: signal.Signals) -> None:
        children = self._children()
        super()._end(number)
        # It ends them itself, unless it was killed: then they would end a moment after it, seen by nobody.
        for child in children:
            child.stop(signal.SIGKILL, grace_seconds=CHILD_GRACE_SECONDS)

    def _children(self) -> list[Process]:
        """The processes of its functions, which carry the same mark as every part."""
        own = self.ledger.process(self.name)
        if own is None or not own.alive:
            return []
        try:
            below = {child.pid for child in psutil.Process(own.pid).children(recursive=True)}
        except psutil.NoSuchProcess:
            return []
        return [process for process in processes.strays(self.ledger.read().mark) if process.pid in below]

    @property
    def _environments(self) -> Path:
        return self.paths.checkout / ".millrace" / "venvs"

    @property
    def _python(self) -> Path:
        return self._environments / "localstack" / "bin" / "python"

    @property
    def _root(self) -> Path:
        return self.folder / "root"

    @property
    def _catalog(self) -> str:
        return f"localstack-{self.version}-botocore-{wheels.locked_version(self.paths, 'botocore')}"

    def _make_catalog(self, draft: Path) -> None:
        """Index AWS' service descriptions once: else every start does, which takes 3 s and keeps 350 MB."""
        (draft / CATALOG).mkdir(parents=True)
        variables = {"FILESYSTEM_ROOT": str(draft), "OVERRIDE_IN_DOCKER": "0", "PYTHONSAFEPATH": "1"}
        command = (self._python, "-m", "localstack.aws.spec")
        run(*command, advice=ADVICE, timeout_seconds=CATALOG_SECONDS, environment=variables)

    def _variables(self, port: int) -> dict[str, str]:
        """Its whole environment."""
        page = self.ledger.read()
        kafka = Kafka("kafka", self.paths, self.ledger, brokers=page.brokers)
        runtime = self._environments / "runtime" / "bin" / "python"
        return {
            MARK: page.mark,
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(self.folder),
            "PYTHONSAFEPATH": "1",  # a folder named `localstack` must not stand before the package
            "PYTHONUNBUFFERED": "1",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            **self._settings(port),
            "MILLRACE_RUNTIME_COMMAND": f"{runtime} -m awslambdaric",
            "MILLRACE_KAFKA_BOOTSTRAP": kafka.bootstrap,
        }

    def _settings(self, port: int) -> dict[str, str]:
        """LocalStack's own; those in the second half keep it from the network and from guessing where it runs."""
        return {
            "GATEWAY_LISTEN": f"127.0.0.1:{port}",
            "GATEWAY_SERVER": "loopback",
            "LOCALSTACK_HOST": f"127.0.0.1:{port}",
            "FILESYSTEM_ROOT": str(self._root),
            "TMP": str(self.folder / "tmp"),  # LocalStack gives TMPDIR another meaning
            "LAMBDA_RUNTIME_EXECUTOR": "process",
            "LAMBDA_RUNTIME_ENVIRONMENT_TIMEOUT": "60",
            "LAMBDA_EVENT_SOURCE_MAPPING_POLL_INTERVAL_SEC": "0.1",
            # A queue that was empty for long is else looked at every ten seconds; Lambda itself waits at it.
            "LAMBDA_EVENT_SOURCE_MAPPING_MAX_BACKOFF_ON_EMPTY_POLL_SEC": "1",
            # A resource that cannot be made fails the deployment, instead of passing with the id "unknown".
            "CFN_IGNORE_UNSUPPORTED_RESOURCE_TYPES": "0",
            "OVERRIDE_IN_DOCKER": "0",  # in a container it would listen everywhere and write to /var/lib
            "DNS_ADDRESS": "0",
            "SKIP_SSL_CERT_DOWNLOAD": "1",
            "DISABLE_EVENTS": "1",
        }


def _silent(_: str) -> None:
    """Nothing is fetched, so there is nothing to tell."""
