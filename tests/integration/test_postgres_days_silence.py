"""A run over days whose storage falls silent: nothing is refused, nothing is closed, and nothing is answered."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from millrace_harness.parts.endpoints import Endpoints
from shared.adapters.postgres import days as module
from shared.adapters.postgres.days import opened
from shared.kit.errors import Unavailable
from tests.fixtures.parts import Database, fresh_database

pytestmark = pytest.mark.parts


class Way:
    """A way to the database on which nothing goes through any more once it is `silent`."""

    def __init__(self, database: Database) -> None:
        there = urlsplit(database.direct)
        self._there = (there.hostname, there.port)
        self._url = database.direct
        self.url = ""
        self.silent = asyncio.Event()
        self._serving: set[asyncio.Future[None]] = set()

    @asynccontextmanager
    async def served(self) -> AsyncIterator["Way"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        self.url = self._url.replace(f"{self._there[0]}:{self._there[1]}", f"127.0.0.1:{port}")
        try:
            yield self
        finally:
            server.close()
            await asyncio.wait(self._serving, timeout=5)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._serving.add(over)
        its_reader, its_writer = await asyncio.open_connection(*self._there)
        back = asyncio.create_task(self._pipe(its_reader, writer))
        try:
            await self._pipe(reader, its_writer)
        finally:
            back.cancel()
            await asyncio.gather(back, return_exceptions=True)
            for each in (writer, its_writer):
                each.close()
            await asyncio.gather(*(each.wait_closed() for each in (writer, its_writer)), return_exceptions=True)
            over.set_result(None)

    async def _pipe(self, source: asyncio.StreamReader, goal: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            if not self.silent.is_set():
                goal.write(data)

    async def run(self) -> None:
        """What `maintain` does, until there is no answer any more."""
        async with opened(self.url, application_name="tests") as days:
            self.silent.set()
            await days.kept()


@pytest.fixture
async def way(endpoints: Endpoints) -> AsyncIterator[Way]:
    """A way that still is what it should be."""
    with fresh_database(endpoints) as database:
        async with Way(database).served() as made:
            yield made


async def test_a_run_that_is_cut_off_asks_a_silent_storage_nothing_more(way: Way) -> None:
    run = asyncio.create_task(way.run())
    async with asyncio.timeout(20):
        await way.silent.wait()
    run.cancel()
    # To end it in good order would take 2 s, and to connect once more 5 s: those of the chores that come after it.
    await asyncio.wait([run], timeout=1.5)
    assert run.cancelled()


async def test_a_run_ends_by_itself_where_storage_answers_no_more(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_COMMAND_SECONDS", 0.5)
    with pytest.raises(Unavailable, match="does not answer"):
        async with asyncio.timeout(20):
            await way.run()
