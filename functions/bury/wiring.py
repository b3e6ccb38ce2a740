"""What `bury` is made of: the only place that names its adapters."""

from shared.adapters.postgres.deadletters import PostgresDeadLetterStore
from shared.adapters.postgres.engine import Writer
from shared.deadletters.bury import Bury
from shared.kit.clock import SystemClock
from shared.runtime.settings import BurySettings


def wire(settings: BurySettings) -> Bury:
    """The batch over the writer. Nothing connects before the first batch."""
    store = PostgresDeadLetterStore(Writer(settings.database_url, application_name="bury"))
    return Bury(store, SystemClock())
