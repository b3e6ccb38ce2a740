"""Apache Kafka in KRaft mode: every broker is a controller too."""

import base64
import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from millrace_harness.parts import java
from millrace_harness.parts.cache import Cache
from millrace_harness.parts.commands import run
from millrace_harness.parts.ledger import Ledger
from millrace_harness.parts.maven import MavenParts
from millrace_harness.parts.part import Part, Server
from millrace_harness.parts.paths import Paths
from millrace_harness.parts.probes import kafka_brokers

FORMAT_SECONDS = 60

SETTINGS = """\
process.roles=broker,controller
node.id={node}
broker.rack=rack-{node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={log}
auto.create.topics.enable=false
default.replication.factor={brokers}
min.insync.replicas={in_sync}
# The defaults of 3 make a consumer's start hang where there is one broker; the defaults of 50 partitions cost seconds.
offsets.topic.replication.factor={brokers}
offsets.topic.num.partitions=3
transaction.state.log.replication.factor={brokers}
transaction.state.log.min.isr={in_sync}
transaction.state.log.num.partitions=3
share.coordinator.state.topic.replication.factor={brokers}
share.coordinator.state.topic.min.isr={in_sync}
share.coordinator.state.topic.num.partitions=3
group.initial.rebalance.delay.ms=0
# A killed broker may register again only when its last session has ended: after 9 s by default.
broker.heartbeat.interval.ms=500
broker.session.timeout.ms={session}
num.network.threads=1
num.io.threads=2
log.cleaner.dedupe.buffer.size=2097152
log.segment.bytes=67108864
"""

# A killed broker of three stalls writers until it leaves the in-sync replicas: 10.7 s by default, 2.6 s with these.
QUICK_ELECTIONS = """\
controller.quorum.fetch.timeout.ms=1000
controller.quorum.election.timeout.ms=500
"""
ALONE_MILLISECONDS, TOGETHER_MILLISECONDS = 3000, 2000  # a broker that is alone only has itself to lose


class Kafka(Part):
    """One broker, or several. `stop` and `start` keep the records; so does a kill."""

    title: ClassVar[str] = "Kafka"
    patience_seconds: ClassVar[float] = 90  # three brokers on a busy machine of two cores took 19 s
    grace_seconds: ClassVar[float] = 20  # three brokers that end at once take 6 s: the last have lost their quorum

    def __init__(self, name: str, paths: Paths, ledger: Ledger, *, brokers: int) -> None:
        super().__init__(name, paths, ledger)
        self.brokers = brokers
        self._maven = MavenParts(paths)
        self._template = self._maven.folder.with_name(f"{self._maven.folder.name}-format")

    @property
    def names(self) -> tuple[str, ...]:
        """One server a broker: `kafka` where it is alone, else `kafka-1` and so on."""
        if self.brokers == 1:
            return (self.name,)
        return tuple(f"{self.name}-{node}" for node in range(1, self.brokers + 1))

    @property
    def version(self) -> str:
        """Apache Kafka's."""
        return self._maven.version("kafka")

    @property
    def bootstrap(self) -> str:
        """The brokers' addresses, as clients take them."""
        return ",".join(f"127.0.0.1:{self.ledger.port(name)}" for name in self.names)

    @property
    def port_names(self) -> tuple[str, ...]:
        """All ports it needs: each broker listens for clients and for controllers."""
        return (*self.names, *map(_controller, self.names))

    def fetch(self, cache: Cache) -> None:
        """Bring jars and a formatted, empty storage folder into the cache. Raises `PartFailed`."""
        self._maven.fetch(cache)
        cache.entry(self._template.name, self._format, what="Kafka's storage format")

    def servers(self) -> Sequence[Server]:
        """Copy the formatted storage where there is none, and write the settings."""
        self._lay_out()
        archive = java.archive(self._maven)
        options = self._options(archive)
        servers = []
        for node, name in enumerate(self.names, 1):
            settings = self._folder(node) / "server.properties"
            settings.write_text(self._settings(node, self._folder(node) / "log"))
            start = java.command(self._maven, "kafka.Kafka", settings, options=options)
            servers.append(Server(name=name, command=start, port=self.ledger.port(name)))
        return servers

    def answers(self) -> bool:
        """True when each broker answers, and knows all the others."""
        return all(kafka_brokers(self.ledger.port(name)) == self.brokers for name in self.names)

    def _options(self, archive: Path) -> tuple[str, ...]:
        return (f"-XX:SharedArchiveFile={archive}",) if archive.exists() else ()

    def _folder(self, node: int) -> Path:
        return self.paths.data / self.name / str(node)

    def _lay_out(self) -> None:
        final = self.paths.data / self.name
        if final.exists():
            return
        draft = final.with_suffix(".draft")
        cluster = _identifier()
        for node in range(1, self.brokers + 1):
            log = draft / str(node) / "log"
            shutil.copytree(self._template, log)
            (log / "meta.properties").write_text(
                f"version=1\ncluster.id={cluster}\nnode.id={node}\ndirectory.id={_identifier()}\n"
            )
        draft.rename(final)

    def _settings(self, node: int, log: Path) -> str:
        controllers = [self.ledger.port(_controller(name)) for name in self.names]
        voters = ",".join(f"{voter}@127.0.0.1:{port}" for voter, port in enumerate(controllers, 1))
        settings = SETTINGS.format(
            node=node,
            voters=voters,
            port=self.ledger.port(self.names[node - 1]),
            controller_port=controllers[node - 1],
            log=log,
            brokers=self.brokers,
            in_sync=max(1, self.brokers - 1),
            session=ALONE_MILLISECONDS if self.brokers == 1 else TOGETHER_MILLISECONDS,
        )
        return settings + (QUICK_ELECTIONS if self.brokers > 1 else "")

    def _format(self, draft: Path) -> None:
        """Format once with a JVM (1.5 s), so that every stack copies two small files instead."""
        settings = draft / "format.properties"
        values = {"node": 1, "brokers": 1, "in_sync": 1, "log": draft, "voters": "1@127.0.0.1:2"}
        settings.write_text(SETTINGS.format(port=1, controller_port=2, session=ALONE_MILLISECONDS, **values))
        tool = java.command(self._maven, "kafka.tools.StorageTool", "format", "-t", _identifier(), "-c", settings)
        run(*tool, advice=java.ADVICE, timeout_seconds=FORMAT_SECONDS)
        settings.unlink()


def _controller(name: str) -> str:
    return f"{name}-controller"


def _identifier() -> str:
    """22 characters, as Kafka writes a UUID."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
