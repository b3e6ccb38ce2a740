"""What is run, what it is given, and what comes back."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

INIT_TIMEOUT_SECONDS = 10.0  # AWS Lambda, "Understanding the execution environment lifecycle"


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSpec:
    """One version of one function.

    `code` and each of `layers` are unpacked folders; `command` starts the runtime and is given the handler as its last
    argument, as in `("/path/to/python", "-m", "awslambdaric")`. `environment` is what the function's owner configured.
    """

    name: str
    arn: str
    handler: str
    code: Path
    command: tuple[str, ...]
    timeout_seconds: float
    memory_mb: int
    version: str = "$LATEST"
    layers: tuple[Path, ...] = ()
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    init_timeout_seconds: float = INIT_TIMEOUT_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One request to a function. `client_context` and `cognito_identity` are JSON documents, told as they are."""

    payload: bytes
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    trace_id: str = ""
    client_context: str | None = None
    cognito_identity: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoked:
    """What one invocation came to.

    `error` is None or what AWS puts into `X-Amz-Function-Error`; `payload` is then a document with `errorType` and
    `errorMessage`. `logs` are the lines that CloudWatch would have: the first time those of init, then START, the
    function's own output, END and REPORT. `init_ms` is set on the first invocation of an environment only.
    `memory_used_mb` is the most that the process has ever held.
    """

    payload: bytes
    error: str | None
    logs: str
    duration_ms: float
    init_ms: float | None
    memory_used_mb: int
