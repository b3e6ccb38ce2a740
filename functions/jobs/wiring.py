"""What `jobs` is made of: the only place that names its adapters."""

from shared.adapters.aws.wake import SqsWake
from shared.adapters.kafka.log import KafkaEventLog
from shared.adapters.kafka.reading import KafkaLogReader
from shared.adapters.postgres.deadletters import PostgresDeadLetterStore
from shared.adapters.postgres.engine import Reader, Writer
from shared.adapters.postgres.erasures import PostgresErasures
from shared.adapters.postgres.jobs import PostgresJobStore
from shared.adapters.postgres.present import PostgresRows
from shared.adapters.postgres.reader import PostgresEventReader
from shared.adapters.postgres.store import PostgresEventStore
from shared.events.topics import EVENTS
from shared.jobs.again import Again
from shared.jobs.engine import Step
from shared.jobs.letters import Discard, Redrive
from shared.jobs.model import Kind
from shared.jobs.replay import Replay, Storage
from shared.jobs.work import Work
from shared.kit.clock import SystemClock
from shared.runtime.settings import JobsSettings


def wire(settings: JobsSettings) -> Step:
    """Steps over the log, the writer and the queue. Nothing connects before the first message."""
    clock = SystemClock()
    writer = Writer(settings.database_url, application_name="jobs")
    letters, erasures = PostgresDeadLetterStore(writer), PostgresErasures(writer, settings.erasure_secret)
    log = KafkaEventLog(settings.kafka_bootstrap, EVENTS, client_id="jobs")
    reader = KafkaLogReader(settings.kafka_bootstrap, EVENTS, client_id="jobs")
    again = Again(log, reader)
    replica = Reader(settings.database_read_url, application_name="jobs")
    storage = Storage(PostgresEventReader(replica), PostgresEventStore(writer), PostgresRows(writer))
    works: dict[Kind, Work] = {
        Kind.REDRIVE: Redrive(letters, again, erasures, clock),
        Kind.DISCARD: Discard(letters, clock),
        Kind.REPLAY: Replay(EVENTS, reader, again, storage, erasures, clock),
    }
    return Step(PostgresJobStore(writer), SqsWake(settings.jobs_queue_url), works, clock)
