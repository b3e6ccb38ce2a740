"""One execution environment: imports a handler as Lambda's runtime does, then measures what is asked of it.

Run by file name, in the interpreter of the runtime and with nothing of this checkout on the path. Speaks over two pipes
whose numbers are its arguments: first it says what its start cost, then each line `run <count>` is followed by <count>
frames (a line with the length, then an event as JSON) and answered with one line of JSON.
"""

import json
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import IO, Any

import awslambdaric.bootstrap  # before the clock: every function pays for it, whatever it is made of
from awslambdaric.lambda_runtime_client import BaseLambdaRuntimeClient


class Context:
    """What the handlers read of Lambda's context."""

    aws_request_id = "5e0c1d2b-3a49-4857-8675-a4b3c2d1e0f9"
    function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
    function_version = "$LATEST"
    invoked_function_arn = f"arn:aws:lambda:us-east-1:000000000000:function:{function_name}"
    log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
    log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
    memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        """Always the whole of the time: an invocation that comes near it would be no measurement."""
        return 10_000


class Round:
    """What a round cost.

    `handler` is the CPU of the whole process, background threads too, less what this thread spent on the pipe and on
    the runtime's JSON: a driver's thread may still work when the handler has returned.
    """

    def __init__(self) -> None:
        self.process, self.elsewhere, self.json, self.wall = 0.0, 0.0, 0.0, 0.0
        self.walls: list[float] = []
        self.statuses: Counter[int] = Counter()
        self.degraded = 0
        self.body = ""

    def told(self) -> dict[str, Any]:
        """For the other side."""
        return {
            "handler_seconds": self.process - self.elsewhere - self.json,
            "json_seconds": self.json,
            "wall_seconds": self.wall,
            "slowest_seconds": sorted(self.walls)[-100:],
            "statuses": dict(self.statuses),
            "degraded": self.degraded,
            "body": self.body,
            **memory(),
        }


def memory() -> dict[str, float]:
    """Megabytes held now, and the most that were ever held."""
    # Not getrusage: its most is that of the process that this one was forked from, where that had more.
    lines = Path("/proc/self/status").read_text().splitlines()
    kilobytes = {name: value.split()[0] for name, _, value in (line.partition(":") for line in lines) if value.strip()}
    return {name: int(kilobytes[field]) * 1024 / 1e6 for name, field in (("rss_mb", "VmRSS"), ("peak_mb", "VmHWM"))}


def trace() -> str:
    """What the runtime sets anew for each invocation, here as for nearly all of them: not sampled.

    A tracer keeps what belongs to one trace id, so one that stayed the same would look like a leak.
    """
    return f"Root=1-69a7c0ff-{os.urandom(12).hex()};Parent={os.urandom(8).hex()};Sampled=0"


def status(answer: dict[str, Any]) -> int:
    """An HTTP answer's status; of a batch's answer, how many of its records are not done."""
    return int(answer["statusCode"]) if "statusCode" in answer else len(answer["batchItemFailures"])


def run(handler: Any, count: int, source: IO[bytes]) -> Round:
    """Invoke `handler` with the next `count` frames, one after the other as Lambda does."""
    # Where the runtime itself looks for what reads and writes JSON: a function may have put its own there.
    found, marshaller, context = Round(), BaseLambdaRuntimeClient.marshaller, Context()
    began = time.process_time()
    for _ in range(count):
        mark = time.thread_time()
        payload = source.read(int(source.readline()))
        os.environ["_X_AMZN_TRACE_ID"] = trace()
        read, whole = time.thread_time(), time.perf_counter()
        event = marshaller.unmarshal_request(payload, "application/json")
        parsed, wall = time.thread_time(), time.perf_counter()
        answer = handler(event, context)
        found.wall += time.perf_counter() - wall
        answered = time.thread_time()
        marshaller.marshal_response(answer)
        written = time.thread_time()
        found.walls.append(time.perf_counter() - whole)
        headers = {name.lower() for kind in ("headers", "multiValueHeaders") for name in answer.get(kind) or {}}
        found.statuses[status(answer)] += 1
        found.degraded += "degraded" in headers
        found.json += parsed - read + written - answered
        found.elsewhere += read - mark + time.thread_time() - written
    found.process = time.process_time() - began
    found.body = answer.get("body") or json.dumps(answer)
    return found


def main() -> None:
    """Import the handler, then answer until the pipe is closed."""
    name, incoming, outgoing = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    bare = time.process_time()
    module, _, attribute = name.rpartition(".")
    handler = getattr(__import__(module, fromlist=[attribute]), attribute)
    start = {"bare_seconds": bare, "init_seconds": time.process_time() - bare, **memory()}
    with os.fdopen(incoming, "rb") as source, os.fdopen(outgoing, "w", buffering=1) as sink:
        print(json.dumps(start), file=sink)
        while line := source.readline():
            print(json.dumps(run(handler, int(line.split()[1]), source).told()), file=sink)


assert awslambdaric.bootstrap
if __name__ == "__main__":
    main()
