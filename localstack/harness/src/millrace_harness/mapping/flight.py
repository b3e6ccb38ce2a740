"""Something that takes long, done beside the poller, so that the consumer stays a member of its group meanwhile."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotOver


class Flight[Result]:
    """A call on a thread of its own, which does not keep the process from ending."""

    def __init__(self, work: Callable[[], Result]) -> None:
        self._work = work
        self._future: Future[Result] = Future()
        threading.Thread(target=self._run, name="mapping-call", daemon=True).start()

    def over(self, seconds: float) -> bool:
        """Whether it ends within `seconds`."""
        try:
            self._future.exception(seconds)
        except NotOver:
            return False
        return True

    def result(self) -> Result:
        """What it returned. Raises what it raised."""
        return self._future.result()

    def _run(self) -> None:
        try:
            self._future.set_result(self._work())
        except BaseException as error:
            self._future.set_exception(error)
