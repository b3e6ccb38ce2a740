"""A process that holds one mapping, and kills itself where it is told to: `python mapping_host.py <JSON>`.

It writes one line for each call, the values of partition 0, before it answers.
"""

import json
import os
import signal
import sys
import threading
from base64 import b64decode
from pathlib import Path
from typing import Any

from millrace_harness.mapping import Discarded, EventSourceMapping, InvokeAnswer, MappingConfig, Pace

TOLD: dict[str, Any] = json.loads(sys.argv[1])
CALLS: list[list[str]] = []
QUICK = Pace(session_seconds=6)  # the least that a broker takes: who comes after a kill waits for it


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def invoke(payload: bytes) -> InvokeAnswer:
    records = [record for group in json.loads(payload)["records"].values() for record in group]
    CALLS.append([b64decode(record["value"]).decode() for record in records])
    if TOLD["die"] == "before" and len(CALLS) == 3:
        die()
    with Path(TOLD["log"]).open("a") as log:
        log.write(json.dumps(CALLS[-1]) + "\n")
    if TOLD["die"] == "after" and len(CALLS) == 3:
        die()
    return InvokeAnswer(b"", "Unhandled" if "bad" in CALLS[-1] else None)


def give_up(discarded: Discarded) -> None:
    if TOLD["die"] == "giving up":
        die()
    with Path(TOLD["log"]).open("a") as log:
        log.write(json.dumps({"given up": [str(one.record.offset) for one in discarded.records]}) + "\n")


EventSourceMapping(MappingConfig(**TOLD["config"]), invoke, give_up, pace=QUICK).start()
threading.Event().wait()
