"""The one event loop of an environment.

Pools, producers and clients are bound to the loop they were made on, and Mangum asks for the thread's loop at every
request: whatever replaces it (`asyncio.run` does) breaks each request after it, for the life of the environment.
"""

import asyncio
from collections.abc import Coroutine
from functools import cache
from typing import Any


@cache
def environment_loop() -> asyncio.AbstractEventLoop:
    """The environment's loop, made at the first call and never closed."""
    return asyncio.new_event_loop()


def enter() -> None:
    """Make the environment's loop the thread's own. Cheap, and heals what somebody else did to it."""
    asyncio.set_event_loop(environment_loop())


def run[T](coroutine: Coroutine[Any, Any, T]) -> T:
    """Run `coroutine` to its end on the environment's loop."""
    enter()
    return environment_loop().run_until_complete(coroutine)
