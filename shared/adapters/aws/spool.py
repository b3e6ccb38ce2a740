"""The spool over S3."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from shared.events.model import Event
from shared.events.objects import PREFIX, UNREADABLE
from shared.events.pages import pack, unpack
from shared.kit.errors import NotFound, Unavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CONNECT_SECONDS = 1
_READ_SECONDS = 1.5
_BOUND_SECONDS = 5.0
_MISSING = ("NoSuchKey", "404")


class S3Spool:
    """A Spool of one bucket.

    boto3 costs 0.3 s of CPU to import, and nobody needs it while the log is well: it is imported at the first use, by
    the thread that its calls block.
    """

    def __init__(self, bucket: str) -> None:
        self._bucket = bucket
        self._client: S3Client | None = None

    async def put(self, name: str, events: Sequence[Event], *, within: float) -> None:
        body = pack(events)
        await self._call(
            lambda client: client.put_object(
                Bucket=self._bucket, Key=name, Body=body, ContentType="application/x-ndjson", ContentEncoding="zstd"
            ),
            within,
        )

    async def names(self, limit: int) -> list[str]:
        page = await self._call(
            lambda client: client.list_objects_v2(Bucket=self._bucket, Prefix=PREFIX, MaxKeys=limit)
        )
        return [each["Key"] for each in page.get("Contents", [])]

    async def get(self, name: str) -> list[Event]:
        content = await self._call(lambda client: client.get_object(Bucket=self._bucket, Key=name)["Body"].read())
        return unpack(content)

    async def remove(self, name: str) -> None:
        await self._call(lambda client: client.delete_object(Bucket=self._bucket, Key=name))

    async def set_aside(self, name: str) -> None:
        target = UNREADABLE + name.removeprefix(PREFIX)
        source = {"Bucket": self._bucket, "Key": name}
        await self._call(lambda client: client.copy_object(Bucket=self._bucket, Key=target, CopySource=source))  # type: ignore[arg-type]
        await self.remove(name)

    async def _call[T](self, work: Callable[["S3Client"], T], within: float = _BOUND_SECONDS) -> T:
        from botocore.exceptions import BotoCoreError, ClientError

        def run() -> T:
            if self._client is None:
                self._client = _client()
            return work(self._client)

        try:
            async with asyncio.timeout(within):
                return await asyncio.to_thread(run)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _MISSING:
                raise NotFound("There is no such object in the spool.") from None
            raise Unavailable("The spool refused the request.") from error
        except (BotoCoreError, OSError, TimeoutError) as error:
            raise Unavailable("The spool does not answer.") from error


def _client() -> "S3Client":
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=_CONNECT_SECONDS, read_timeout=_READ_SECONDS, retries={"max_attempts": 0})
    return boto3.client("s3", config=config)
