"""Small changes to LocalStack for speed, each with its reason. None changes what an answer says."""

import threading
from typing import Any

from localstack.utils.patch import Patch, patch

POLL_SECONDS = 0.05


def install() -> None:
    """Make all of them."""
    _count_no_invocations()
    _poll_quickly()


def cancel_timers() -> None:
    """End the timers that would hold the process after SIGTERM, for as long as an idle environment is kept: 10 minutes.

    LocalStack leaks some under load: a keep-alive timer is replaced without being cancelled.
    """
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.cancel()


def _count_no_invocations() -> None:
    """A CloudWatch metric of each invocation costs a thread and an HTTP request: a third of the invocation."""
    from localstack.services.lambda_.invocation import version_manager

    def nothing(**_: object) -> None:
        return

    Patch(version_manager, "record_cw_metric_invocation", nothing).apply()
    Patch(version_manager, "record_cw_metric_error", nothing).apply()


def _poll_quickly() -> None:
    """A resource that takes longer than a few requests, as a function does, is else asked for once a second."""
    from localstack.services.cloudformation.resource_provider import ResourceProviderExecutor

    @patch(ResourceProviderExecutor.deploy_loop)
    def deploy_loop(original: Any, self: Any, *arguments: Any) -> Any:
        return original(self, *arguments, sleep_time=POLL_SECONDS)
