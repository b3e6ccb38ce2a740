"""The same parts in Docker, by `localstack/compose.yaml`: for machines that have Docker and cannot run native ones."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from millrace_harness.parts.commands import run
from millrace_harness.parts.endpoints import Endpoints
from millrace_harness.parts.errors import PartFailed
from millrace_harness.parts.ledger import Ledger
from millrace_harness.parts.part import Report, State
from millrace_harness.parts.paths import Paths

NAMES = ("kafka", "primary", "replica", "writer", "reader", "valkey")
PULL_SECONDS = 900
READY_SECONDS = 180
COMMAND_SECONDS = 60
ADVICE = (
    "Docker Engine 24 or newer with the Compose plugin must run; without it, `up` without `--compose` needs neither."
)


class ComposeStack:
    """What `Stack` is, over containers: one Compose project for a state folder, with its own ports and password.

    Containers are Docker's: a report gives their state and port, and no process number or memory.
    """

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.ledger = Ledger(paths.state / "compose")
        self._file = paths.checkout / "localstack" / "compose.yaml"
        digest = hashlib.sha256(str(paths.state.absolute()).encode()).hexdigest()
        self._project = f"millrace-{digest[:8]}"

    def fetch(self, say: Callable[[str], None]) -> None:
        """Pull the images. Raises `PartFailed` where Docker does not run."""
        self._compose("pull", "--quiet", timeout_seconds=PULL_SECONDS)
        say("The images are there")

    def up(self, say: Callable[[str], None]) -> Endpoints:
        """Start all containers, and wait until each is healthy. Where they run, nothing changes.

        Raises:
            PartFailed: Docker does not run, or a container does not become healthy; they are taken down then.
        """
        if not self.ledger.read().complete:
            self.ledger.renew_ports(NAMES)
        self.fetch(say)
        wait = ("--wait", "--wait-timeout", str(READY_SECONDS))
        try:
            self._compose("up", "--detach", *wait, timeout_seconds=READY_SECONDS + COMMAND_SECONDS)
        except PartFailed:
            self.down()
            raise
        with self.ledger.page() as page:
            page.complete = True
        say("All containers are healthy")
        return self.endpoints

    def down(self) -> None:
        """Remove containers, networks and data. Repeatable."""
        self._compose("down", "--volumes", "--remove-orphans", timeout_seconds=COMMAND_SECONDS)
        with self.ledger.page() as page:
            page.complete = False

    def report(self) -> list[Report]:
        """How each container is, as Docker tells it."""
        lines = self._compose("ps", "--all", "--format", "json", timeout_seconds=COMMAND_SECONDS).splitlines()
        containers = {container["Service"]: container for container in map(json.loads, lines)}
        ports = self.ledger.read().ports
        return [_report(name, containers.get(name), ports.get(name)) for name in NAMES]

    @property
    def endpoints(self) -> Endpoints:
        """Where the parts are reached. Raises `PartFailed` where the stack is not up."""
        page = self.ledger.read()
        if not page.complete:
            raise PartFailed("The containers are not up: run `up --compose` first.")
        return Endpoints.of(page.ports, page.password, ["kafka"])

    def command(self, verb: str, *options: str) -> tuple[str, ...]:
        """The command line for a verb of Compose."""
        return ("docker", "compose", "--project-name", self._project, "--file", str(self._file), verb, *options)

    def environment(self) -> dict[str, str]:
        """The variables that `compose.yaml` asks for."""
        page = self.ledger.read()
        ports = {f"MILLRACE_{name.upper()}_PORT": str(page.ports[name]) for name in NAMES if name in page.ports}
        return {"MILLRACE_PASSWORD": page.password, **ports}

    def _compose(self, verb: str, *options: str, timeout_seconds: float) -> str:
        command = self.command(verb, *options)
        return run(
            *command, advice=ADVICE, timeout_seconds=timeout_seconds, folder=Path("/"), environment=self.environment()
        )


def _report(name: str, container: dict[str, Any] | None, port: int | None) -> Report:
    state: State = "stopped"
    if container is not None:
        state = "running" if container["State"] == "running" else "dead"
    version = container["Image"].rpartition(":")[2] if container else "unknown"
    return Report(name=name, state=state, pid=None, pids=(), port=port, memory_bytes=0, version=version)
