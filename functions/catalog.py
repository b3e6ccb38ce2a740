"""One row per function: what starts it, what it serves, how large it is.

Read by the deployment, by `localstack/dev` and by tests. Handlers never read it: topology is not code.
"""

from dataclasses import dataclass

from shared.events.topics import DEAD_EVENTS, EVENTS, Topic


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path, in API Gateway's notation."""

    method: str
    path: str


@dataclass(frozen=True, slots=True)
class Http:
    """Started by API Gateway."""

    routes: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class Kafka:
    """Started by an event source mapping on `topic`.

    `batch_size` is in records and `window_seconds` how long a batch may wait to fill: AWS allows 1..10,000 and
    0..300 (Lambda developer guide, event source mapping parameters for Amazon MSK).
    """

    topic: Topic
    consumer_group: str
    batch_size: int
    window_seconds: int


@dataclass(frozen=True, slots=True)
class Objects:
    """Started by a queue that hears of new objects in the spool.

    `retry_seconds` is when a message that was not done comes back, which is how soon after an outage the spool is
    looked at. AWS takes no less than the function's timeout, and advises six times as much, so that a message does not
    come back while a throttled batch that has it is tried again. Here that costs a look at an empty bucket.
    """

    batch_size: int
    retry_seconds: int


@dataclass(frozen=True, slots=True)
class Steps:
    """Started by a queue of the function's own, `{stage}-{function}`, one message at a time.

    `retry_seconds` is when a message that was not done comes back: longer than the lease of the step that was killed
    with it (`shared/jobs/engine.py`), so that the next one can have the job.
    """

    retry_seconds: int


@dataclass(frozen=True, slots=True)
class Deployment:
    """Started by CloudFormation, once a deployment, before anything that needs its work."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Started by the clock, every so many minutes. A run that fails is not repeated: the next one comes anyway."""

    minutes: int


@dataclass(frozen=True, slots=True)
class Function:
    """A Lambda function. `memory_mb` also sets its share of a CPU (1,769 MB is one whole vCPU)."""

    name: str
    trigger: Http | Kafka | Objects | Steps | Deployment | Schedule
    memory_mb: int
    timeout_seconds: int

    @property
    def handler(self) -> str:
        """The same dotted path in Lambda, in tests and on a laptop."""
        return f"functions.{self.name}.handler.handler"


INGEST = Function(
    "ingest",
    Http(
        (
            Route("POST", "/v1/events"),
            Route("POST", "/v1/events/batch"),
            Route("POST", "/v1/events/validate"),
            Route("GET", "/v1/limits"),
            Route("GET", "/health/live"),
            Route("GET", "/health/ready"),
        )
    ),
    memory_mb=512,
    timeout_seconds=10,
)
QUERY = Function(
    "query",
    Http((Route("GET", "/v1/events"), Route("GET", "/v1/events/{id}"))),
    memory_mb=512,
    timeout_seconds=10,
)
MANAGE = Function(
    "manage",
    Http(
        (
            Route("GET", "/v1/event-types"),
            Route("PUT", "/v1/event-types/{type}"),
            Route("GET", "/v1/event-types/{type}"),
            Route("GET", "/v1/event-types/{type}/versions"),
            Route("GET", "/v1/event-types/{type}/versions/{number}"),
            Route("POST", "/v1/event-types/{type}/check"),
            Route("GET", "/v1/dead-letters"),
            Route("GET", "/v1/dead-letters/{id}"),
            Route("PATCH", "/v1/dead-letters/{id}"),
            Route("POST", "/v1/dead-letters/redrive"),
            Route("POST", "/v1/dead-letters/discard"),
            Route("POST", "/v1/replays"),
            Route("POST", "/v1/erasures"),
            Route("GET", "/v1/jobs"),
            Route("GET", "/v1/jobs/{id}"),
            Route("POST", "/v1/jobs/{id}/pause"),
            Route("POST", "/v1/jobs/{id}/resume"),
            Route("POST", "/v1/jobs/{id}/cancel"),
            Route("GET", "/v1/status"),
            Route("GET", "/openapi.json"),
            Route("GET", "/asyncapi.json"),
            Route("GET", "/docs"),
        )
    ),
    memory_mb=512,
    timeout_seconds=10,
)
PERSIST = Function(
    "persist",
    Kafka(EVENTS, consumer_group="persist", batch_size=500, window_seconds=0),
    memory_mb=512,
    timeout_seconds=30,
)
# A letter carries a whole record, which may have 1 MB: a few of those are all that an invocation takes.
BURY = Function(
    "bury",
    Kafka(DEAD_EVENTS, consumer_group="bury", batch_size=100, window_seconds=0),
    memory_mb=512,
    timeout_seconds=30,
)
DRAIN = Function("drain", Objects(batch_size=10, retry_seconds=30), memory_mb=512, timeout_seconds=30)
JOBS = Function("jobs", Steps(retry_seconds=90), memory_mb=512, timeout_seconds=60)
MIGRATE = Function("migrate", Deployment(), memory_mb=512, timeout_seconds=120)
# A run takes a second; the rest is for a day's events that lay in the default partition, and are moved in one piece.
MAINTAIN = Function("maintain", Schedule(minutes=1), memory_mb=512, timeout_seconds=300)

FUNCTIONS = (INGEST, QUERY, MANAGE, PERSIST, BURY, DRAIN, JOBS, MIGRATE, MAINTAIN)
