"""A function that CloudFormation runs during a deploy, as a custom resource.

Source: CloudFormation user guide, "Custom resource request objects" and "Custom resource response objects". The answer
is PUT to a presigned address: without it a deploy would wait for its timeout and never learn why, so every way out of
here sends one, also that of work which does not end.
"""

import asyncio
import http.client
import json
import urllib.request
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from shared.runtime import loop
from shared.runtime.telemetry import logger

type Work = Callable[[], Coroutine[Any, Any, Mapping[str, Any]]]
type DeploymentHandler = Callable[[Mapping[str, Any], Any], None]

_ATTEMPTS = 3  # S3 asks for a retry on 5xx
_TIMEOUT_SECONDS = 10
_KEPT_SECONDS = 15  # of the function's time, for the answer


def deployment_handler(name: str, work: Work) -> DeploymentHandler:
    """A handler that does `work` whenever the resource `name` is created or changed, and nothing when it is deleted.

    `work` can be repeated. What it gives becomes the resource's attributes; when it raises, the deploy fails with the
    error's words and CloudFormation goes back to the version before. Work that has not ended 15 s before the function's
    time is up counts as failed, and is left behind.
    """

    def handler(event: Mapping[str, Any], context: Any) -> None:
        answer: dict[str, Any] = {"Status": "SUCCESS", "Data": {}}
        if event["RequestType"] != "Delete":
            try:
                answer["Data"] = dict(loop.run(_bounded(work, context.get_remaining_time_in_millis() / 1000)))
            except Exception as error:
                logger.exception("deployment.failed", resource=name)
                answer |= {"Status": "FAILED", "Reason": f"{name}: {type(error).__name__}: {error}"[:1000]}
        logger.info("deployment.done", resource=name, request=event["RequestType"], status=answer["Status"])
        identity = {key: event[key] for key in ("StackId", "RequestId", "LogicalResourceId")}
        _put(event["ResponseURL"], identity | {"PhysicalResourceId": name} | answer)

    return handler


async def _bounded(work: Work, seconds: float) -> Mapping[str, Any]:
    """What `work` gives. Not awaited once it is late: a silent database can hold up its cancellation as well."""
    task = asyncio.ensure_future(work())
    await asyncio.wait({task}, timeout=max(0.0, seconds - _KEPT_SECONDS))
    if not task.done():
        task.cancel()
        raise TimeoutError(f"not done {_KEPT_SECONDS} s before the function's time is up")
    return task.result()


def _put(url: str, answer: Mapping[str, Any]) -> None:
    # An empty content type is part of what CloudFormation signed.
    request = urllib.request.Request(  # noqa: S310  # the address is CloudFormation's own
        url, json.dumps(answer).encode(), {"Content-Type": ""}, method="PUT"
    )
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS):  # noqa: S310
                return
        except (OSError, http.client.HTTPException):
            if attempt == _ATTEMPTS:
                raise
