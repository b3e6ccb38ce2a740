"""Receipts as an HTTP answer: the status that is honest for all of them, and the body that tells each."""

from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import quote

import msgspec
from fastapi import Response

from shared.events.limits import MAX_FAULTS_OF_ONE
from shared.events.receipts import Accepted, Receipt, Status
from shared.events.topics import EVENTS
from shared.kit.errors import Failure, Fault, QuotaExceeded, Unavailable, Unprocessable
from shared.runtime.http import json_response
from shared.runtime.limits import rate_limit_headers

_RETRY_AFTER_SECONDS = 2
_FAULT_BYTES = 1_000_000  # of all results of a batch


class Error(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why one event was rejected, in the words of a problem document."""

    type: str
    code: str
    detail: str
    errors: tuple[Fault, ...] = ()


class Single(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The answer for one event."""

    id: str
    status: Status
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    position: str | None = None
    overtakes: bool = False
    warnings: tuple[Fault, ...] = ()
    trace_id: str


class Result(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What became of one event of a batch."""

    index: int
    id: str | None = None
    status: Status
    partition: int | None = None
    offset: int | None = None
    overtakes: bool = False
    warnings: tuple[Fault, ...] = ()
    error: Error | None = None


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """The answer for a batch. `accepted` counts what is durable and new, `retry` what is to be sent again."""

    accepted: int
    duplicates: int
    rejected: int
    retry: int
    position: str
    results: list[Result]


def single(accepted: Accepted, trace_id: str) -> Response:
    """The answer for one event.

    Raises:
        Failure: the event was not taken; the one that says why.
    """
    (receipt,) = accepted.receipts
    headers = headers_of(accepted)
    if not receipt.status.is_durable:
        again = receipt.status.is_to_be_sent_again
        raise _refusal(accepted, receipt.failure, headers, {"results": [_result(0, receipt, _Room())]} if again else {})
    position = receipt.position
    body = Single(
        id=receipt.id or "",
        status=receipt.status,
        topic=None if position is None else EVENTS.name,
        partition=None if position is None else position.partition,
        offset=None if position is None else position.offset,
        position=None if position is None else str(position),
        overtakes=receipt.overtakes,
        warnings=receipt.warnings,
        trace_id=trace_id,
    )
    created = receipt.status is Status.STORED
    return json_response(body, HTTPStatus.CREATED if created else HTTPStatus.ACCEPTED, headers)


def located(response: Response, accepted: Accepted) -> Response:
    """The answer, with where its event can be read: relative, because a gateway's stage stands before our paths."""
    response.headers["location"] = f"events/{quote(accepted.receipts[0].id or '', safe='')}"
    return response


def batch(accepted: Accepted, *, only_errors: bool) -> Response:
    """The answer for a batch. With `only_errors` durable events are counted and not listed.

    Raises:
        Failure: no event was taken; its members are the same as those of the answer.
    """
    receipts, room = accepted.receipts, _Room()
    results = [
        _result(index, receipt, room)
        for index, receipt in enumerate(receipts)
        if not (only_errors and receipt.status.is_durable)
    ]
    statuses = [receipt.status for receipt in receipts]
    durable = sum(status.is_durable for status in statuses)
    duplicates = statuses.count(Status.DUPLICATE)
    body = Batch(
        accepted=durable - duplicates,
        duplicates=duplicates,
        rejected=statuses.count(Status.REJECTED),
        retry=sum(status.is_to_be_sent_again for status in statuses),
        position=_highest(receipts),
        results=results,
    )
    headers = headers_of(accepted)
    if not durable and not (0 < body.rejected < len(receipts)):
        raise _refusal(accepted, None, headers, msgspec.structs.asdict(body))
    if durable < len(receipts):
        return json_response(body, HTTPStatus.MULTI_STATUS, headers)
    stored = statuses.count(Status.STORED) == len(receipts)
    return json_response(body, HTTPStatus.CREATED if stored else HTTPStatus.ACCEPTED, headers)


def headers_of(accepted: Accepted) -> dict[str, str]:
    """The quota as it stands now, and what could not be done for the request."""
    headers = rate_limit_headers(accepted.allowance) if accepted.allowance else {}
    return headers | {"degraded": ", ".join(accepted.degraded)} if accepted.degraded else headers


def _refusal(
    accepted: Accepted,
    failure: Failure | None,
    headers: dict[str, str],
    members: dict[str, object],
) -> Failure:
    """Nothing of the request is durable, and all of it for one kind of reason."""
    statuses = {receipt.status for receipt in accepted.receipts}
    if statuses == {Status.REJECTED}:
        kind = type(failure) if failure else Unprocessable
        detail = failure.detail if failure else "No event of the batch can be accepted."
        faults = tuple(fault for receipt in accepted.receipts if receipt.failure for fault in receipt.failure.faults)
        return kind(detail, faults=faults, members=members, headers=headers)
    if statuses == {Status.THROTTLED}:
        after = max(receipt.retry_after_seconds or 1 for receipt in accepted.receipts)
        detail = "More events were sent than the quota allows. Send them again later."
        return QuotaExceeded(detail, retry_after_seconds=after, members=members, headers=headers)
    # Some may be in the log all the same: sent again with their ids they stay single.
    detail = "The events could not be made durable in time. Send them again, with the ids given here."
    return Unavailable(detail, retry_after_seconds=_RETRY_AFTER_SECONDS, members=members, headers=headers)


class _Room:
    """What an answer has left for faults: Lambda takes 6 MB, and a thousand events can have twenty faults each."""

    def __init__(self) -> None:
        self._bytes = _FAULT_BYTES

    def taking(self, faults: tuple[Fault, ...]) -> tuple[Fault, ...]:
        """The first of `faults`, five at most, and none once there is no room."""
        found: list[Fault] = []
        for fault in faults[:MAX_FAULTS_OF_ONE]:
            self._bytes -= len(msgspec.json.encode(fault))
            if self._bytes < 0:
                break
            found.append(fault)
        return tuple(found)


def _result(index: int, receipt: Receipt, room: _Room) -> Result:
    position, failure = receipt.position, receipt.failure
    return Result(
        index=index,
        id=receipt.id,
        status=receipt.status,
        partition=None if position is None else position.partition,
        offset=None if position is None else position.offset,
        overtakes=receipt.overtakes,
        warnings=room.taking(receipt.warnings) if receipt.warnings else (),
        error=None if failure is None else _error(failure, room),
    )


def _error(failure: Failure, room: _Room) -> Error:
    return Error(f"urn:millrace:problem:{failure.code}", failure.code, failure.detail, room.taking(failure.faults))


def _highest(receipts: Sequence[Receipt]) -> str:
    """The last position in each partition, for a reader that wants to see its own writes."""
    highest: dict[int, int] = {}
    for receipt in receipts:
        if (position := receipt.position) is not None:
            highest[position.partition] = max(position.offset, highest.get(position.partition, 0))
    return ",".join(f"{partition}:{offset}" for partition, offset in sorted(highest.items()))
