"""Rounds of batches, and what they cost the client and the server."""

import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import asyncpg

from loadtest.persist.payloads import Records
from shared.adapters.postgres.engine import Writer
from shared.adapters.postgres.store import PostgresEventStore
from shared.events.envelope import decode
from shared.events.model import LogRecord, Outcome, Position
from shared.runtime.msk import event_of, records_of

BATCHES, EVENTS = 40, 500
_TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")


class Cost:
    """Of one event, in microseconds: CPU of the server's process, CPU of this one, and the time it took."""

    def __init__(self, server: float, client: float, wall: float) -> None:
        scale = 1e6 / BATCHES / EVENTS
        self.server_us, self.client_us, self.wall_us = server * scale, client * scale, wall * scale


class Batches:
    """Stores batches in one database, straight, so that one process of the server does the work."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._name = f"growth-{url.rpartition('/')[2]}"
        self._writer = Writer(url, application_name=self._name)
        self._store = PostgresEventStore(self._writer)
        self._records = Records(seed=sum(url.encode()))
        self._pid = 0

    async def __aenter__(self) -> Self:
        await self._store.store(self._batch())
        database = await asyncpg.connect(self._url, timeout=10)
        self._pid = await database.fetchval("SELECT pid FROM pg_stat_activity WHERE application_name = $1", self._name)
        await database.close()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._writer.close()

    async def round(self) -> Cost:
        """Store some batches of events that are new."""
        batches = [self._batch() for _ in range(BATCHES)]
        server, client, wall = self._server_seconds(), time.process_time(), time.monotonic()
        for batch in batches:
            assert await self._store.store(batch) == [Outcome.STORED] * EVENTS
        return Cost(self._server_seconds() - server, time.process_time() - client, time.monotonic() - wall)

    def _batch(self) -> list[LogRecord]:
        (payload,) = self._records.batches(1, EVENTS)
        return [
            LogRecord(decode(record.value), Position(record.partition, record.offset))
            for record in records_of(event_of(payload))
        ]

    def _server_seconds(self) -> float:
        user, system = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) * _TICK_SECONDS
