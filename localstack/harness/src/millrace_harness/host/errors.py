"""What can go wrong, for the caller (exceptions) and for the client of the function (documents)."""

import json

MAX_REQUEST_BYTES = 6 * 1024 * 1024
"""Of a synchronous request: AWS Lambda, "Lambda quotas"."""

MAX_RESPONSE_BYTES = 6_291_556
"""What the service and AWS' own emulator name in Function.ResponseSizeTooLarge: 6 MiB and 100 bytes."""

EXITED = "Runtime.ExitError"
TIMED_OUT = "Sandbox.Timedout"
TOO_LARGE = "Function.ResponseSizeTooLarge"
BY_THE_SERVICE = ("Runtime.", "Sandbox.", "Function.")
"""How the error types begin that do not come from the function's own code."""

# The service is written in Go, whose words for signals these are.
_SIGNALS = {1: "hangup", 2: "interrupt", 3: "quit", 6: "aborted", 9: "killed", 11: "segmentation fault"}
_SIGNALS |= {15: "terminated"}


class InitError(Exception):
    """A function did not become ready.

    `payload` is the document that its caller is to be given, `logs` what it wrote until then.
    """

    def __init__(self, payload: bytes, logs: str) -> None:
        super().__init__(payload.decode(errors="replace"))
        self.payload = payload
        self.logs = logs


class Throttled(Exception):
    """Every environment is busy and the limit is reached; the function was not invoked. Try again later."""


class RequestTooLarge(Exception):
    """The payload is over `MAX_REQUEST_BYTES`; the function was not invoked."""

    def __init__(self) -> None:
        super().__init__(f"Request must be smaller than {MAX_REQUEST_BYTES} bytes for the InvokeFunction operation")


class Gone(Exception):
    """The function has not seen the invocation, because its process had ended or was never started."""

    def __init__(self) -> None:
        super().__init__("The environment has no process: make another one, and start it.")


class Closed(Exception):
    """The host was closed; it takes no more invocations."""

    def __init__(self) -> None:
        super().__init__("The host was closed: make another one.")


def document(kind: str, message: str) -> bytes:
    """An error as the Lambda service itself writes it."""
    return json.dumps({"errorType": kind, "errorMessage": message}, separators=(",", ":")).encode()


def kind_of(payload: bytes) -> str:
    """The `errorType` of an error document, or Runtime.Unknown where a runtime wrote something else."""
    try:
        found = json.loads(payload)
    except ValueError:
        return "Runtime.Unknown"
    kind = found.get("errorType") if isinstance(found, dict) else None
    return kind if isinstance(kind, str) and kind else "Runtime.Unknown"


def exit_document(request_id: str, code: int) -> bytes:
    """The runtime ended by itself: `code` is its exit status, or minus the signal's number."""
    if code == 0:
        reason = "Runtime exited without providing a reason"
    elif code > 0:
        reason = f"Runtime exited with error: exit status {code}"
    else:
        reason = f"Runtime exited with error: signal: {_SIGNALS.get(-code, -code)}"
    return document(EXITED, _about(request_id, reason))


def timeout_document(request_id: str, seconds: float) -> bytes:
    """The function, or its init, ran longer than it may."""
    return document(TIMED_OUT, _about(request_id, f"Task timed out after {seconds:.2f} seconds"))


def response_too_large() -> bytes:
    """The function answered with more than `MAX_RESPONSE_BYTES`."""
    message = f"Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes)."
    return document(TOO_LARGE, message)


def _about(request_id: str, reason: str) -> str:
    return f"RequestId: {request_id} Error: {reason}" if request_id else f"Error: {reason}"
