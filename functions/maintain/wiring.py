"""What `maintain` is made of: the only place that names its adapters."""

from collections.abc import Sequence
from functools import partial

import msgspec

from shared.adapters.aws.wake import SqsWake
from shared.adapters.kafka.lag import KafkaFigures
from shared.adapters.postgres.days import opened
from shared.adapters.postgres.engine import Writer
from shared.adapters.postgres.figures import PostgresFigures
from shared.adapters.postgres.jobs import PostgresJobStore
from shared.events.upkeep import Upkeep
from shared.jobs.sweep import Sweep
from shared.kit.clock import SystemClock
from shared.kit.deadline import Deadline
from shared.runtime.metrics import publish
from shared.runtime.schedule import Chore
from shared.runtime.settings import MaintainSettings
from shared.status.assemble import Statuses
from shared.status.metrics import samples

_STORAGE_SECONDS = 20.0  # two attempts of 1 s to connect and 5 s to answer, and 2 s for each to close; and some more
_LOG_SECONDS = 10.0  # the brokers' 3.5 s, and what closing takes


class Published(msgspec.Struct, frozen=True):
    """How many samples were written."""

    samples: int


class Woken(msgspec.Struct, frozen=True):
    """How many jobs were woken that nobody else had."""

    jobs: int


def wire(settings: MaintainSettings) -> Sequence[Chore]:
    """The chores of a run. Nothing connects before the first."""
    clock = SystemClock()
    days = partial(opened, settings.database_direct_url, application_name="maintain")
    writer = Writer(settings.database_direct_url, application_name="maintain")
    log = KafkaFigures(settings.kafka_bootstrap, client_id="maintain")
    storage = PostgresFigures(writer, connection_budget=settings.connection_budget)
    statuses = Statuses(log, storage, clock)

    sweep = Sweep(PostgresJobStore(writer), SqsWake(settings.jobs_queue_url))

    async def wake(_: Deadline) -> Woken:
        return Woken(await sweep())

    async def tell(_: Deadline) -> Published:
        found = samples(await statuses())
        publish(found)
        await writer.close()  # a minute of idling is longer than a connection is trusted
        return Published(len(found))

    # The figures last: they are those after the run, and told whatever has become of it.
    return (
        Chore("days", Upkeep(days, clock)),
        Chore("jobs", wake, kept_seconds=_STORAGE_SECONDS),
        Chore("status", tell, kept_seconds=_STORAGE_SECONDS + _LOG_SECONDS),
    )
