"""The platform's own log lines, in the words of AWS Lambda ("Working with Lambda function logs")."""

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime

TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a REPORT line tells. `status` is None for success, else "timeout", or "error" with its type."""

    request_id: str
    duration_ms: float
    init_ms: float | None
    memory_mb: int
    memory_used_mb: int
    status: str | None


def start(request_id: str, version: str) -> str:
    """Before the function runs."""
    return f"START RequestId: {request_id} Version: {version}\n"


def end(report: Report) -> str:
    """After it ran: END and REPORT. Since 2025-08 what is billed includes init."""
    billed = math.ceil(report.duration_ms + (report.init_ms or 0))
    fields = [
        f"REPORT RequestId: {report.request_id}",
        f"Duration: {report.duration_ms:.2f} ms",
        f"Billed Duration: {billed} ms",
        f"Memory Size: {report.memory_mb} MB",
        f"Max Memory Used: {report.memory_used_mb} MB",
    ]
    if report.init_ms is not None:
        fields.append(f"Init Duration: {report.init_ms:.2f} ms")
    if report.status is not None:
        fields.append(f"Status: {report.status}")
    return f"END RequestId: {report.request_id}\n" + "\t".join(fields) + "\t\n"


def init_failed(duration_ms: float, phase: str, status: str) -> str:
    """Init did not succeed: `phase` is "init", or "invoke" where it was tried again for the first invocation."""
    return f"INIT_REPORT Init Duration: {duration_ms:.2f} ms\tPhase: {phase}\tStatus: {status}\n"


def timed_out(request_id: str, seconds: float) -> str:
    """The function ran longer than it may."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return f"{now} {request_id} Task timed out after {seconds:.2f} seconds\n\n"


def exited(payload: bytes) -> str:
    """The runtime ended by itself: what its error document says, then its type."""
    told = json.loads(payload)
    return f"{told['errorMessage']}\n{told['errorType']}\n"


def error_status(kind: str) -> str:
    """The `status` of a run that failed with this error type."""
    return f"error\tError Type: {kind}"
