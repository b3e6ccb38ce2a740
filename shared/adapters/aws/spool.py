"""The spool over S3."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from shared.events.model import Event
from shared.events.objects import PREFIX, UNREADABLE
from shared.events.pages import pack, unpack
from shared.kit.deadline import Deadline
from shared.kit.errors import NotFound, Unavailable
from shared.kit.idle import Idle

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CONNECT_SECONDS = 0.5
_READ_SECONDS = 1.0
_ATTEMPTS = 2  # S3 answers 503 as a matter of course while it spreads load; what is asked here can be repeated
_BOUND_SECONDS = 3.0
_IDLE_SECONDS = 5.0  # of silence, after which connections are not used again: S3 closes idle ones within seconds
_MISSING = ("NoSuchKey", "404", "PreconditionFailed", "412")  # of a condition: it is another object, or none

_THREAD = threading.local()  # the deadline of the call that a thread works for


class S3Spool:
    """A Spool of one bucket.

    boto3 and its client cost 0.3 s of CPU, a second and more of a small function's time, and nobody needs them while
    the log is well: they are made at the first use, or in advance by `prepare`, by a thread like those that the calls
    block. A call that went over its bound is not waited for, and its thread ends by itself.
    """

    def __init__(self, bucket: str, *, idle: Idle | None = None) -> None:
        self._bucket = bucket
        self._idle = idle or Idle(_IDLE_SECONDS)
        self._lock = threading.Lock()
        self._client: S3Client | None = None

    def prepare(self) -> None:
        if self._client is None:
            asyncio.get_running_loop().run_in_executor(None, self._prepared)

    async def put(self, name: str, events: Sequence[Event], *, within: float) -> None:
        await self._call(lambda client: client.put_object(**self._object(name, events)), within)

    async def names(self, limit: int, *, after: str = "") -> list[str]:
        page = await self._call(
            lambda client: client.list_objects_v2(
                Bucket=self._bucket, Prefix=PREFIX, MaxKeys=limit, StartAfter=after or PREFIX
            )
        )
        return [each["Key"] for each in page.get("Contents", [])]

    async def get(self, name: str) -> list[Event]:
        content = await self._call(lambda client: client.get_object(Bucket=self._bucket, Key=name)["Body"].read())
        return unpack(content)

    async def exchange(self, name: str, before: Sequence[Event], after: Sequence[Event], *, within: float) -> bool:
        deadline = Deadline(within)
        try:
            found = await self._call(_content_of(self._bucket, name), deadline.left())
            if unpack(found.content) != list(before):
                return False
            if after:
                put = self._object(name, after)
                await self._call(lambda client: client.put_object(**put, IfMatch=found.tag), deadline.left())
            else:
                await self.remove([name])  # no other object ever has its name
        except NotFound:
            return False
        return True

    async def remove(self, names: Sequence[str]) -> None:
        if not names:
            return
        answer = await self._call(
            lambda client: client.delete_objects(
                Bucket=self._bucket, Delete={"Objects": [{"Key": name} for name in names], "Quiet": True}
            )
        )
        if answer.get("Errors"):
            raise Unavailable("The spool did not remove every object.")

    async def set_aside(self, name: str) -> None:
        target = UNREADABLE + name.removeprefix(PREFIX)
        with contextlib.suppress(NotFound):  # another drain was faster
            await self._call(
                lambda client: client.copy_object(
                    Bucket=self._bucket, Key=target, CopySource={"Bucket": self._bucket, "Key": name}
                )
            )
            await self.remove([name])

    def _object(self, name: str, events: Sequence[Event]) -> dict[str, Any]:
        return {
            "Bucket": self._bucket,
            "Key": name,
            "Body": pack(events),
            "ContentType": "application/x-ndjson",
            "ContentEncoding": "zstd",
        }

    async def _call[T](self, work: Callable[["S3Client"], T], within: float = _BOUND_SECONDS) -> T:
        try:
            async with asyncio.timeout(within):
                found = await asyncio.to_thread(self._worked, work, Deadline(within))
        except TimeoutError as error:
            raise Unavailable("The spool does not answer.") from error
        self._idle.touch()
        return found

    def _worked[T](self, work: Callable[["S3Client"], T], deadline: Deadline) -> T:
        from botocore.exceptions import BotoCoreError, ClientError

        _THREAD.deadline = deadline
        try:
            return work(self._connected())
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _MISSING:
                raise NotFound("There is no such object in the spool.") from None
            raise Unavailable("The spool refused the request.") from error
        except (BotoCoreError, OSError) as error:
            raise Unavailable("The spool does not answer.") from error

    def _connected(self) -> "S3Client":
        with self._lock:
            if self._client is None:
                self._client = _client()
            elif self._idle.over():
                self._client.close()  # its connections; it makes new ones
                self._idle.touch()
            return self._client

    def _prepared(self) -> None:
        # Whatever is wrong is told to the one who puts.
        with contextlib.suppress(Exception):
            self._connected()


class _Found(NamedTuple):
    content: bytes
    tag: str


def _content_of(bucket: str, name: str) -> Callable[["S3Client"], _Found]:
    def work(client: "S3Client") -> _Found:
        found = client.get_object(Bucket=bucket, Key=name)
        return _Found(found["Body"].read(), found["ETag"])

    return work


def _client() -> "S3Client":
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
    )
    client = boto3.client("s3", config=config)
    client.meta.events.register("before-send.s3", _require_time)
    return client


def _require_time(**_: object) -> None:
    """Nothing is sent that could end after its caller has given it up: what is put then was answered with `retry`."""
    if _THREAD.deadline.left() < _CONNECT_SECONDS + _READ_SECONDS:
        raise TimeoutError("There is no time left to send in.")
