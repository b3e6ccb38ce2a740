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
from tests.fixtures.network import listening

_SLACK_SECONDS = 3.0  # for a machine that has other things to do: what is told apart is a bound from a hang
_OK = b'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag: "0"\r\n\r\n'
_BUSY = b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Server:
    """Answers each request with the next of `answers`, and with silence when there is none left.

    With `once` every connection is good for one request, and then silent, as after a freeze. Answers come byte by byte,
    each `byte_seconds` after the one before.
    """

    answers: list[bytes] = field(default_factory=list)
    once: bool = False
    byte_seconds: float = 0.0
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
                    await self._answer(self.answers.pop(0), writer)
                if self.once:
                    await reader.read(-1)
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, answer: bytes, writer: asyncio.StreamWriter) -> None:
        for byte in answer:
            writer.write(bytes([byte]))
            await asyncio.sleep(self.byte_seconds)

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
    async with listening(made.serve) as address:
        made.url = f"http://{address}"
        yield made


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
            await put(spool, within=2)
        assert time.monotonic() - began < 2 + _SLACK_SECONDS
        assert len(s3.requests) == 1


async def test_puts_that_went_over_their_bound_do_not_hold_up_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server(*[_OK] * 3) as s3:
        monkeypatch.setenv("AWS_ENDPOINT_URL", s3.url)
        s3.byte_seconds = 0.4  # less than to be given up by the client, and 18 s for the whole of it
        spool = S3Spool("bucket")
        spool._connected()
        began = time.monotonic()
        lost = await asyncio.gather(*(put(spool, within=2) for _ in range(3)), return_exceptions=True)
        assert [type(each) for each in lost] == [Unavailable] * 3
        assert time.monotonic() - began < 2 + _SLACK_SECONDS
        assert len(s3.requests) == 3
        s3.answers, s3.byte_seconds = [_OK], 0.0
        await put(spool)


async def test_nothing_is_sent_again_that_could_end_after_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server(_BUSY, _OK) as s3:
        monkeypatch.setenv("AWS_ENDPOINT_URL", s3.url)
        s3.byte_seconds = 0.7 / len(_BUSY)
        spool = S3Spool("bucket")
        spool._connected()
        with pytest.raises(Unavailable):
            await put(spool, within=2)
        assert len(s3.requests) == 1


async def test_nothing_is_sent_where_no_time_is_left_for_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server(_OK) as s3:
        monkeypatch.setenv("AWS_ENDPOINT_URL", s3.url)
        spool = S3Spool("bucket")
        spool._connected()
        with pytest.raises(Unavailable):
            await put(spool, within=1.4)
        await put(spool)
        assert len(s3.requests) == 1


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
