"""A Lambda host: functions as plain processes that speak the public Lambda Runtime API on 127.0.0.1.

`Environment` is one execution environment, `Host` a pool of them. Threads only: usable from any process, with or
without an event loop; no signal handler and no global state. Linux only (`/proc`).
"""

from millrace_harness.host.environment import Environment
from millrace_harness.host.errors import Closed, Gone, InitError, RequestTooLarge, Throttled
from millrace_harness.host.function import FunctionSpec, Invocation, Invoked
from millrace_harness.host.pool import Host

__all__ = [
    "Closed",
    "Environment",
    "FunctionSpec",
    "Gone",
    "Host",
    "InitError",
    "Invocation",
    "Invoked",
    "RequestTooLarge",
    "Throttled",
]
