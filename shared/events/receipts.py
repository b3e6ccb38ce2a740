"""What became of each event of a request."""

from enum import StrEnum

import msgspec

from shared.events.admission import Allowance
from shared.events.model import Position
from shared.kit.errors import Failure, Fault


class Status(StrEnum):
    """One word for each way an event can go."""

    ACCEPTED = "accepted"
    SPOOLED = "spooled"
    STORED = "stored"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    THROTTLED = "throttled"
    RETRY = "retry"

    @property
    def is_durable(self) -> bool:
        """Whether the event is ours now, and the sender may forget it."""
        return self in _DURABLE

    @property
    def is_to_be_sent_again(self) -> bool:
        """Whether the sender should send the same event, with the same id, again."""
        return self in _AGAIN


_DURABLE = frozenset({Status.ACCEPTED, Status.SPOOLED, Status.STORED, Status.DUPLICATE})
_AGAIN = frozenset({Status.THROTTLED, Status.RETRY})


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one event.

    A duplicate has the position of its original's receipt; a spooled event has none yet. `failure` says why an event
    was rejected. `warnings` are faults that its type only warns of. `overtakes`: older events of the same key may still
    be in the spool, and this one could not be kept behind them.
    """

    id: str | None
    status: Status
    position: Position | None = None
    failure: Failure | None = None
    warnings: tuple[Fault, ...] = ()
    overtakes: bool = False
    retry_after_seconds: int | None = None


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """The receipts of a request, in the order of its events.

    `degraded` names what could not be done for it: `dedup` (an event sent twice is single for its day only), `schemas`
    (types were not known, so nothing was validated), `order` (events may be ahead of older ones of their key that are
    in the spool: those that `Receipt.overtakes` names, or, where nobody could be asked, any).
    """

    receipts: list[Receipt]
    allowance: Allowance | None = None
    degraded: tuple[str, ...] = ()
