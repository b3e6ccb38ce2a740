"""A function whose init takes longer than a test allows."""

import time
from typing import Any

time.sleep(3)


def handler(event: Any, context: Any) -> Any:
    return "ready at last"
