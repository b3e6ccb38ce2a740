"""Waking jobs through SQS."""

import asyncio
import math
from typing import TYPE_CHECKING
from uuid import UUID

from shared.jobs.messages import encode
from shared.kit.errors import Unavailable

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_CONNECT_SECONDS = 0.5
_READ_SECONDS = 1.0
_ATTEMPTS = 2
_BOUND_SECONDS = 4.0  # both attempts, and the 0.3 s of CPU that boto3 takes to import
_LONGEST_DELAY = 900  # SQS: DelaySeconds is 0 to 900


class SqsWake:
    """A Wake through one queue. boto3 and its client are made at the first use: few requests need them."""

    def __init__(self, queue_url: str) -> None:
        self._queue_url = queue_url
        self._client: SQSClient | None = None

    async def wake(self, job: UUID, *, after: float) -> None:
        delay = min(_LONGEST_DELAY, math.ceil(after))
        try:
            async with asyncio.timeout(_BOUND_SECONDS):
                await asyncio.to_thread(self._send, encode(job), delay)
        except TimeoutError as error:
            raise Unavailable("The queue does not answer.") from error

    def _send(self, message: str, delay: int) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._connected().send_message(QueueUrl=self._queue_url, MessageBody=message, DelaySeconds=delay)
        except (BotoCoreError, ClientError, OSError) as error:
            raise Unavailable("The queue does not answer.") from error

    def _connected(self) -> "SQSClient":
        if self._client is None:
            import boto3
            from botocore.config import Config

            config = Config(
                connect_timeout=_CONNECT_SECONDS,
                read_timeout=_READ_SECONDS,
                retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            )
            self._client = boto3.client("sqs", config=config)
        return self._client
