"""What may not come back."""

from collections.abc import Mapping

from shared.events.model import Event
from shared.jobs.ports import Erasures


async def erased(erasures: Erasures, tenant: str, events: Mapping[str, Event]) -> set[str]:
    """The names of those of at most 1,000 `events` whose subject was erased after they were received.

    Raises:
        Unavailable: nobody can tell.
    """
    subjects = sorted({event.subject for event in events.values() if event.subject is not None})
    asked = await erasures.asked(tenant, subjects) if subjects else {}
    return {
        name for name, event in events.items() if event.subject in asked and event.received_at <= asked[event.subject]
    }
