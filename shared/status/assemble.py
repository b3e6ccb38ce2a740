"""The status, put together from parts that may be away, each within its own time."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from shared.kit.clock import Clock
from shared.kit.errors import Unavailable
from shared.status.model import CONSUMERS, Consumer, ConsumerLag, Status
from shared.status.ports import LogFigures, StorageFigures

_BUDGET_SECONDS = 4.0  # for each part; both are asked at once, and the function that answers has 10


class Statuses:
    """Tells how everything is."""

    def __init__(
        self,
        log: LogFigures,
        storage: StorageFigures,
        clock: Clock,
        *,
        consumers: Sequence[Consumer] = CONSUMERS,
        budget_seconds: float = _BUDGET_SECONDS,
    ) -> None:
        self._log = log
        self._storage = storage
        self._clock = clock
        self._consumers = consumers
        self._budget_seconds = budget_seconds

    async def __call__(self) -> Status:
        """The status now. Never raises for a part that is away: its sections are None."""
        now = self._clock.now()
        found: dict[str, Any] = {}
        await asyncio.gather(
            self._within({"consumers": lambda: self._log.lag(self._consumers)}, found),
            self._within(
                {
                    "partitions": lambda: self._storage.partitions(now.astimezone(UTC).date()),
                    "dead_letters": self._storage.dead_letters,
                    "latency": lambda: self._storage.latency(now),
                    "connections": self._storage.connections,
                },
                found,
            ),
        )
        sections = ("consumers", "dead_letters", "latency", "connections", "partitions")
        return Status(at=now, **{name: found.get(name) for name in sections})

    async def _within(
        self, questions: dict[str, Callable[[], Coroutine[Any, Any, object]]], found: dict[str, Any]
    ) -> None:
        """Ask one part, question by question: one that does not answer the first is not asked the next."""
        try:
            async with asyncio.timeout(self._budget_seconds):
                for name, ask in questions.items():
                    found[name] = await ask()
        except (Unavailable, TimeoutError):
            return


def view(status: Status) -> dict[str, Any]:
    """The status as a document. A section whose part was away has the state `unavailable` and nothing else."""
    sections = {
        "log": None if status.consumers is None else {"consumers": [_consumer(c, status.at) for c in status.consumers]},
        "dead_letters": status.dead_letters,
        "latency": status.latency,
        "connections": status.connections,
        "partitions": status.partitions,
    }
    shown = {name: _section(found) for name, found in sections.items()}
    is_whole = all(section["state"] == "ok" for section in shown.values())
    return {"state": "ok" if is_whole else "degraded", "at": status.at, **shown}


def _section(found: msgspec.Struct | dict[str, Any] | None) -> dict[str, Any]:
    if found is None:
        return {"state": "unavailable"}
    return {"state": "ok"} | (found if isinstance(found, dict) else msgspec.structs.asdict(found))


def _consumer(consumer: ConsumerLag, now: datetime) -> dict[str, Any]:
    return {
        "group": consumer.group,
        "topic": consumer.topic,
        "lag": consumer.lag,
        "lost": consumer.lost,
        "oldest_age_seconds": consumer.oldest_age_seconds(now),
        "retention_seconds": consumer.retention_seconds,
        "time_to_loss_seconds": consumer.time_to_loss_seconds(now),
        "partitions": [msgspec.structs.asdict(each) for each in consumer.partitions],
    }
