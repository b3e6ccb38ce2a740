"""The functions' log lines, from LocalStack's CloudWatch Logs."""

import os
from collections.abc import Iterator
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from millrace_harness.dev.deployment import REGION, Deployment
from millrace_harness.dev.failed import Failed

# CloudWatch's own limit for one answer.
_PAGE = 10_000


class FunctionLogs:
    """Reads the log groups of one deployment."""

    def __init__(self, deployment: Deployment) -> None:
        # A person's own AWS profile must not be looked for: it may not even exist here.
        os.environ.pop("AWS_PROFILE", None)
        self._deployment = deployment
        self._client: Any = boto3.client(
            "logs",
            endpoint_url=deployment.endpoint,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - LocalStack takes any
            config=Config(connect_timeout=2, read_timeout=20, retries={"max_attempts": 1}),
        )

    def lines(self, function: str, *, since_ms: int = 0) -> Iterator[tuple[int, str]]:
        """The lines of `function` from `since_ms` on (milliseconds of Unix time), each with its own time.

        Raises:
            Failed: LocalStack does not answer.
        """
        request = {"logGroupName": self.group(function), "startTime": since_ms, "limit": _PAGE}
        while True:
            try:
                answer = self._client.filter_log_events(**request)
            except ClientError as error:
                if error.response["Error"]["Code"] == "ResourceNotFoundException":
                    return  # it has not said anything yet
                raise Failed(f"The log of {function} cannot be read: {error}.") from error
            except BotoCoreError as error:
                raise Failed(f"LocalStack does not answer ({error}): run localstack/dev doctor.") from error
            yield from ((event["timestamp"], event["message"].rstrip("\n")) for event in answer["events"])
            if not answer.get("nextToken"):
                return
            request["nextToken"] = answer["nextToken"]

    def group(self, function: str) -> str:
        """The name of its log group.

        Raises:
            Failed: there is no such function.
        """
        physical = self._deployment.functions.get(function)
        if physical is None:
            known = ", ".join(sorted(self._deployment.functions))
            raise Failed(f"There is no function {function}: the functions are {known}.")
        return f"/aws/lambda/{physical}"
