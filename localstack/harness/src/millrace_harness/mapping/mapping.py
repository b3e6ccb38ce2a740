"""The event source mapping: its pollers, as many as it takes."""

import logging
import threading

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from millrace_harness.mapping.config import Invoke, MappingConfig
from millrace_harness.mapping.destinations import Destination, KafkaDestination
from millrace_harness.mapping.poller import Poller
from millrace_harness.mapping.scaling import Pace, Scaling

LOG = logging.getLogger(__name__)

STOP_SECONDS = 2.0
LOOKUP_SECONDS = 5.0

NOTHING_YET = "No records processed"
OK = "OK"


class EventSourceMapping:
    """Reads `config.topic` as a consumer group and calls `invoke` with one batch after the other.

    At least once: a record's offset is committed after the function has done it, or after it is durable where
    `on_failure` puts what is given up. Within a partition the function sees records in order, one call at a time, and
    nothing behind a record that is not done. A broker, a function and a destination that are away are waited for
    without end. With several pollers `invoke` is called by several threads at once.

    Raises:
        ValueError: `on_failure` would write into the topic that is read.
    """

    def __init__(
        self,
        config: MappingConfig,
        invoke: Invoke,
        on_failure: Destination | None = None,
        *,
        pace: Pace | None = None,
    ) -> None:
        if isinstance(on_failure, KafkaDestination) and on_failure.topic == config.topic:
            raise ValueError("an on-failure topic must not be the topic that is read")
        self.config = config
        self._invoke = invoke
        self._on_failure = on_failure
        self._pace = pace or Pace()
        self._admin: AdminClient | None = None
        self._pollers: list[Poller] = []
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._last_result = NOTHING_YET

    @property
    def running(self) -> bool:
        """Whether any of it lives."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def pollers(self) -> int:
        """How many pollers there are now, those that are ending included."""
        return sum(poller.running for poller in list(self._pollers))

    @property
    def last_result(self) -> str:
        """`No records processed`, `OK`, or `PROBLEM:` with what went wrong at last."""
        return self._last_result

    def start(self) -> None:
        """Begin to poll, on threads of its own. Nothing happens where it runs already."""
        if self.running:
            return
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name=f"mapping-{self.config.consumer_group}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End polling within 2 s. A call that is under way is let end; its batch is committed if it succeeds."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        scaling = Scaling(self.config, self._pace)
        active: list[Poller] = []
        while not self._stopping.is_set():
            lag = sum(poller.lag for poller in active)
            wanted = scaling.wanted(len(active), partitions=self._partitions(), lag=lag)
            while len(active) < wanted:
                active.append(self._another())
            while len(active) > wanted:
                active.pop().stop()
            self._pollers = [poller for poller in self._pollers if poller.running]
            self._stopping.wait(self._pace.look_seconds)
        for poller in active:
            poller.stop()
        for poller in self._pollers:
            poller.join()

    def _another(self) -> Poller:
        poller = Poller(self.config, self._invoke, self._on_failure, pace=self._pace, report=self._note)
        self._pollers.append(poller)
        poller.start()
        return poller

    def _partitions(self) -> int:
        """How many the topic has; 1 where it makes no difference, 0 where it cannot be told."""
        if self.config.maximum_pollers == 1:
            return 1
        settings: dict[str, str | int | float | bool] = {
            "bootstrap.servers": self.config.bootstrap,
            "allow.auto.create.topics": False,
        }
        self._admin = self._admin or AdminClient(settings, logger=LOG)
        try:
            known = self._admin.list_topics(self.config.topic, LOOKUP_SECONDS).topics
        except KafkaException as error:
            LOG.debug("%s: %s", self.config.topic, error)
            return 0
        return len(known[self.config.topic].partitions) if self.config.topic in known else 0

    def _note(self, problem: str | None) -> None:
        if problem is None:
            self._last_result = OK
            return
        self._last_result = f"PROBLEM: {problem}"
        LOG.warning("%s for %s: %s", self.config.topic, self.config.consumer_group, problem)
