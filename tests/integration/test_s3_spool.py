"""The spool over a server that behaves as S3 does on a bad day."""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from shared.adapters.aws.spool import S3Spool
from shared.events.objects import object_name
from shared.kit.errors import Unavailable
from shared.kit.idle import Idle
from tests.fixtures.events import an_event

_SLACK_SECONDS = 3.0  # for a machine that has other things to do: what is told apart is a bound from a hang
_OK = b'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag: "0"\r\n\r\n'
_BUSY = b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Server:
    """Answers each request with the next of `answers`, and with silence when there is none left.

    With `once` every connection is good for one request, and then silent, as after a freeze.
    """

    answers: list[bytes] = field(default_factory=list)
    once: bool = False
    url: str = ""
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await self._body(head, reader, writer)
                self.requests.append(head.split(b"\r\n")[0])
                if self.answers:
                    writer.write(self.answers.pop(0))
                if self.once:
                    await reader.read(-1)
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _body(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
        if fields.get(b"expect") == b"100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if b"content-length" in fields:
            await reader.readexactly(int(fields[b"content-length"]))
        else:
            await reader.readuntil(b"0\r\n")
            await reader.readuntil(b"\r\n\r\n")


@asynccontextmanager
async def server(*answers: bytes, once: bool = False) -> AsyncIterator[Server]:
    made = Server(list(answers), once)
    clients: set[asyncio.Task[None]] = set()

    def admit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(made.serve(reader, writer))
        clients.add(task)
        task.add_done_callback(clients.discard)

    listening = await asyncio.start_server(admit, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        listening.close()
        for task in clients:
            task.cancel()
        await asyncio.gather(*clients, return_exceptions=True)


@pytest.fixture(autouse=True)
def _account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")


async def put(spool: S3Spool, *, within: float = 5) -> None:
    await spool.put(object_name("1"), [an_event()], within=within)


async def test_a_put_names_the_bucket_in_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server(_OK) as s3:
        monkeypatch.setenv("AWS_ENDPOINT_URL", s3.url)
        await put(S3Spool("bucket"))
        assert s3.requests == [b"PUT /bucket/spool/1.ndjson.zst HTTP/1.1"]


async def test_a_server_that_never_answers_costs_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server() as s3:
        monkeypatch.setenv("AWS_ENDPOINT_URL", s3.url)
        spool = S3Spool("bucket")
        spool._connected()  # the import is not what is timed here
        began = time.monotonic()
        with pytest.raises(Unavailable):
            await put(spool, within=0.3)
        assert time.monotonic() - began < 0.3 + _SLACK_SECONDS


async def test_a_put_that_went_over_its_bound_does_not_hold_up_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server(once=True) as s3:
        monkeypatch.setenv("AWS_ENDPOINT_URL", s3.url)
        spool = S3Spool("bucket")
        for _ in range(3):
            with pytest.raises(Unavailable):
                await put(spool, within=0.3)
        s3.answers = [_OK] * 9
        await put(spool)


async def test_a_server_that_spreads_its_load_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server(_BUSY, _OK) as s3:
        monkeypatch.setenv("AWS_ENDPOINT_URL", s3.url)
        await put(S3Spool("bucket"))
        assert s3.requests == [b"PUT /bucket/spool/1.ndjson.zst HTTP/1.1"] * 2


async def test_connections_are_used_again_while_they_are_warm(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server(*[_OK] * 5) as s3:
        monkeypatch.setenv("AWS_ENDPOINT_URL", s3.url)
        spool = S3Spool("bucket")
        for _ in range(5):
            await put(spool)
        assert s3.connections == 1


async def test_after_a_freeze_a_put_does_not_wait_on_a_dead_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server(_OK, _OK, once=True) as s3:
        monkeypatch.setenv("AWS_ENDPOINT_URL", s3.url)
        wall = [0.0]
        spool = S3Spool("bucket", idle=Idle(5, wall=lambda: wall[0], monotonic=lambda: 0.0))
        await put(spool)
        wall[0] += 300
        await put(spool, within=1.8)  # less than to wait for a dead one, and to connect anew
        assert s3.connections == 2


async def test_it_is_prepared_beside_the_loop_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def client() -> None:
        made.append(threading.current_thread().name)
        time.sleep(0.2)
        raise RuntimeError

    monkeypatch.setattr("shared.adapters.aws.spool._client", client)  # to see who makes it, and to have it fail
    began = time.monotonic()
    S3Spool("bucket").prepare()
    assert time.monotonic() - began < 0.15
    await asyncio.sleep(0.3)
    assert len(made) == 1
    assert made[0] != threading.current_thread().name


async def test_the_first_put_waits_for_what_was_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server(_OK) as s3:
        monkeypatch.setenv("AWS_ENDPOINT_URL", s3.url)
        spool = S3Spool("bucket")
        spool.prepare()
        with contextlib.suppress(Unavailable):
            await put(spool, within=0)
        await put(spool)
        assert spool._client is not None
