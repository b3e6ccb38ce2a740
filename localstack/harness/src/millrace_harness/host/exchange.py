"""Where the threads that invoke and the threads that serve the runtime meet."""

from dataclasses import dataclass
from queue import Empty, SimpleQueue


@dataclass(frozen=True, slots=True)
class Work:
    """One invocation as `next` tells it."""

    request_id: str
    payload: bytes
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Ready:
    """The runtime has asked for its first invocation: init is done."""


@dataclass(frozen=True, slots=True)
class Taken:
    """The runtime was handed this invocation."""

    request_id: str


@dataclass(frozen=True, slots=True)
class InitFailed:
    """The runtime has reported that it cannot start."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """The runtime has answered; `failed` when it did by `/error`."""

    request_id: str
    payload: bytes
    failed: bool


@dataclass(frozen=True, slots=True)
class Exited:
    """The process has ended: its exit status, or minus the signal's number."""

    code: int


type Happening = Ready | Taken | InitFailed | Answered | Exited


class Exchange:
    """Two queues: work for the runtime, and what happened for the invoker, in the order in which it did."""

    def __init__(self) -> None:
        self._work: SimpleQueue[Work | None] = SimpleQueue()
        self._happenings: SimpleQueue[Happening] = SimpleQueue()
        self._asked = False
        self._open_request = ""

    def offer(self, work: Work) -> None:
        """Let the runtime have `work` when it asks next."""
        self._work.put(work)

    def end(self, code: int) -> None:
        """The process is gone: whoever waits on either side is told."""
        self.tell(Exited(code))
        self._work.put(None)

    def tell(self, happening: Happening) -> None:
        """Tell the invoker."""
        self._happenings.put(happening)

    def happened(self, seconds: float) -> Happening | None:
        """The next thing that happened, within `seconds`; None when nothing did."""
        try:
            return self._happenings.get(timeout=max(seconds, 0))
        except Empty:
            return None

    def take(self) -> Work | None:
        """For the runtime: the next invocation, however long it takes; None when there will be none."""
        if not self._asked:
            self._asked = True
            self.tell(Ready())
        work = self._work.get()
        if work is not None:
            self._open_request = work.request_id
            self.tell(Taken(work.request_id))
        return work

    def answer(self, request_id: str, payload: bytes, *, failed: bool) -> bool:
        """For the runtime: the end of the invocation it took; False when it is not the one that is open."""
        if not request_id or request_id != self._open_request:
            return False
        self._open_request = ""
        self.tell(Answered(request_id, payload, failed))
        return True
