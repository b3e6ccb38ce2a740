"""Functions under test. Copied alone into a folder, which becomes the code of a function."""

import json
import os
import subprocess
import sys
import time
from typing import Any

calls = 0


def echo(event: Any, context: Any) -> Any:
    return event


def who(event: Any, context: Any) -> Any:
    """Which environment this is, and what it is told about the invocation."""
    global calls
    calls += 1
    print("who was asked")
    client = context.client_context
    return {
        "pid": os.getpid(),
        "calls": calls,
        "name": context.function_name,
        "memory": context.memory_limit_in_mb,
        "arn": context.invoked_function_arn,
        "request_id": context.aws_request_id,
        "remaining": context.get_remaining_time_in_millis(),
        "custom": client.custom if client else None,
        "own": os.environ.get("OWN"),
        "leaked": os.environ.get("PYTHONSAFEPATH"),
        "handler": os.environ["_HANDLER"],
    }


def fail(event: Any, context: Any) -> Any:
    raise ValueError("this is wrong")


def sleep(event: Any, context: Any) -> Any:
    time.sleep(event["seconds"])
    return {"pid": os.getpid()}


def leave(event: Any, context: Any) -> Any:
    if event.get("leave"):
        os._exit(event["leave"])
    return {"pid": os.getpid()}


def large(event: Any, context: Any) -> Any:
    return "x" * event["bytes"]


def parent(event: Any, context: Any) -> Any:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    return {"child": child.pid, "pid": os.getpid(), "event": json.dumps(event)}
