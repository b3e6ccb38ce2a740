"""What a kind of job is to the engine: a plan, and chunks."""

from typing import Any, Protocol, runtime_checkable

import msgspec

from shared.jobs.model import Chunk, Job


class Plan(msgspec.Struct, frozen=True):
    """Where a job begins, and how many items it has to look at, if that can be told."""

    cursor: dict[str, Any]
    total: int | None = None


class Wait(msgspec.Struct, frozen=True):
    """There is nothing to do for `seconds`; `message` says what for. The job stands at `cursor` then."""

    seconds: float
    message: str
    cursor: dict[str, Any]


class Finished(msgspec.Struct, frozen=True):
    """Nothing is left. `spec` is what is kept of what was asked, None for all of it.

    `failure` says what went wrong, and `cursor` where to go on from when the job is resumed, None for where it is.
    """

    result: dict[str, Any]
    spec: dict[str, Any] | None = None
    failure: str | None = None
    cursor: dict[str, Any] | None = None


class Moved(msgspec.Struct, frozen=True):
    """What became of a chunk. `moved` is how many events that cost whoever comes behind: what the rate is for."""

    result: dict[str, Any]
    done: int = 0
    skipped: int = 0
    failed: int = 0
    moved: int = 0


class Unfinished(Exception):
    """Finding out what is done takes longer than there is time for: `found` is added to the intent, to go on from."""

    def __init__(self, found: dict[str, Any]) -> None:
        super().__init__()
        self.found = found


class Work(Protocol):
    """One kind of job."""

    async def plan(self, job: Job) -> Plan:
        """Look at what there is to do. Changes nothing.

        Raises:
            Unavailable: a part is away.
        """
        ...

    async def look(self, job: Job, limit: int) -> Chunk | Wait | Finished:
        """What comes next, of at most `limit` events. Changes nothing, and leads to the same place when asked again.

        Raises:
            Unavailable: a part is away.
        """
        ...

    async def carry_out(self, job: Job, intent: dict[str, Any], *, again: bool) -> Moved:
        """Do what `intent` says, which may have been begun before where `again` is set, and leave it done once.

        Raises:
            Unavailable: a part is away, or did not say whether it is done. To be called `again`, when what was sent has
                had its time to arrive.
            Unfinished: finding out takes longer. Nothing was sent; to be called `again` with what it holds besides.
        """
        ...


@runtime_checkable
class Holding(Protocol):
    """Work whose items are held by what is begun."""

    async def let_go(self, job: Job, intent: dict[str, Any]) -> None:
        """Give up those items of `intent` that are not known to be done: nobody will end it. Repeatable.

        Raises:
            Unavailable: a part is away.
        """
        ...
