"""What `persist` is made of: the only place that names its adapters."""

from shared.adapters.postgres.engine import Writer
from shared.adapters.postgres.store import PostgresEventStore
from shared.events.persist import Persist
from shared.runtime.settings import PersistSettings


def wire(settings: PersistSettings) -> Persist:
    """The batch over the writer. Nothing connects before the first batch."""
    return Persist(PostgresEventStore(Writer(settings.database_url, application_name="persist")))
