"""What runs the functions under test."""

import os
from collections.abc import Callable
from pathlib import Path

from millrace_harness.host import FunctionSpec

CHECKOUT = Path(__file__).parents[4]
RUNTIME_PYTHON = os.environ.get("MILLRACE_RUNTIME_PYTHON", str(CHECKOUT / ".millrace/venvs/runtime/bin/python"))
COMMAND = (RUNTIME_PYTHON, "-m", "awslambdaric")

type MakeSpec = Callable[..., FunctionSpec]
