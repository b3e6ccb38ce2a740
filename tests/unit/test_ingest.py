"""Drafts are judged, let in once, appended or spooled, and receipted."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
import pytest

from shared.adapters.memory.admission import MemoryAdmission, MemoryWaiters
from shared.adapters.memory.events import MemoryEventLog, MemoryEventStore
from shared.adapters.memory.rules import MemoryRules
from shared.adapters.memory.spool import MemorySpool
from shared.events.admission import Entry, Quota, Settled, Unknown
from shared.events.draft import Draft, Rejected
from shared.events.ingest import Ingest
from shared.events.intake import DEFAULT_SOURCE, Caller
from shared.events.model import Appended, Event, NotAppended, Outcome, Position, event_key
from shared.events.outage import SpoolingLog
from shared.events.receipts import Accepted, Receipt, Status
from shared.events.rules import Rule
from shared.kit.clock import FixedClock
from shared.kit.deadline import Deadline
from shared.kit.errors import Fault, Malformed, Unprocessable
from tests.fixtures.events import MOMENT
from tests.fixtures.rules import FixedRule

CALLER = Caller("demo", "somebody", f"00-{'a' * 32}-{'b' * 16}-01")
KEY = event_key("demo", DEFAULT_SOURCE, "1")


class Room:
    """An environment: what is its own, over what it shares with others."""

    def __init__(self, admission: MemoryAdmission | None = None, rules: dict[str, Rule] | None = None) -> None:
        self.log = MemoryEventLog(partitions=1)
        self.spool = MemorySpool()
        self.admission = admission or MemoryAdmission()
        self.waiters = MemoryWaiters()
        self.rules = MemoryRules({"demo": rules or {}})
        self.clock = FixedClock(MOMENT)
        outage = SpoolingLog(self.log, self.spool, self.admission, self.clock)
        self.ingest = Ingest(outage, self.rules, self.admission, self.waiters, self.clock)

    async def accepted(self, *drafts: Draft | Rejected, seconds: float = 5, wait: float = 0) -> Accepted:
        return await self.ingest.accept(drafts, CALLER, deadline=Deadline(seconds), wait_seconds=wait)

    async def accept(self, *drafts: Draft | Rejected, seconds: float = 5) -> list[Receipt]:
        return (await self.accepted(*drafts, seconds=seconds)).receipts

    @property
    def events(self) -> list[Event]:
        return [record.event for record in self.log.records()]


def a_draft(id_: str | None = "1", **fields: object) -> Draft:
    return Draft(type="t", id=id_, **fields)  # type: ignore[arg-type]


def statuses(receipts: Sequence[Receipt]) -> list[str]:
    return [receipt.status.value for receipt in receipts]


async def stamped(draft: Draft, rules: dict[str, Rule] | None = None) -> Event:
    room = Room(rules=rules)
    await room.accept(draft)
    (event,) = room.events
    return event


async def test_a_receipt_says_where_the_event_lies() -> None:
    room = Room()
    await room.accept(a_draft("0"))
    assert await room.accept(a_draft()) == [Receipt(id="1", status=Status.ACCEPTED, position=Position(0, 1))]


async def test_receipts_stand_in_the_order_of_their_events() -> None:
    receipts = await Room().accept(*(a_draft(str(number)) for number in range(100)))
    assert [receipt.id for receipt in receipts] == [str(number) for number in range(100)]


async def test_an_event_without_an_id_is_given_one_that_serves_to_send_it_again() -> None:
    room = Room()
    room.log.away = room.log.unsure = True
    (receipt,) = await room.accept(a_draft(None))
    assert receipt.status is Status.RETRY
    assert UUID(receipt.id).version == 7
    room.log.away = False
    again = Room(room.admission)
    await again.accept(a_draft(receipt.id))
    assert again.events[0].id == receipt.id


async def test_the_server_stamps_what_is_its_own() -> None:
    event = await stamped(a_draft(source="/s"))
    assert (event.tenant, event.principal, event.traceparent) == ("demo", "somebody", CALLER.traceparent)
    assert (event.received_at, event.key) == (MOMENT, event_key("demo", "/s", "1"))


async def test_events_of_a_batch_are_received_at_one_time() -> None:
    class Ticking(FixedClock):
        def now(self) -> datetime:
            self.moment += timedelta(seconds=1)
            return self.moment

    room = Room()
    room.ingest._clock = Ticking(MOMENT)
    await room.accept(a_draft("1"), a_draft("2"), a_draft("3"))
    assert len({event.received_at for event in room.events}) == 1


async def test_an_event_without_a_source_came_from_the_door_it_came_in_by() -> None:
    assert (await stamped(a_draft())).source == DEFAULT_SOURCE


async def test_the_key_then_the_path_of_the_type_then_the_subject_then_the_id_decide_the_order() -> None:
    keyed: dict[str, Rule] = {"t": FixedRule(key="from-data")}
    assert (await stamped(a_draft(subject="s", key="k"), keyed)).partition_key == "k"
    assert (await stamped(a_draft(subject="s"), keyed)).partition_key == "from-data"
    assert (await stamped(a_draft(subject="s"))).partition_key == "s"
    assert (await stamped(a_draft())).partition_key == "1"


@pytest.mark.parametrize(("extension", "kept"), [(f"00-{'c' * 32}-{'d' * 16}-00", True), ("00-nothing", False)])
async def test_the_trace_that_the_producer_began_goes_on(extension: str, kept: bool) -> None:
    event = await stamped(a_draft(extensions={"traceparent": extension}))
    assert event.traceparent == (extension if kept else CALLER.traceparent)
    assert event.extensions == {"traceparent": extension}


async def test_a_rejected_event_does_not_keep_its_neighbours_out() -> None:
    room = Room()
    failure = Malformed("no", faults=(Fault("/1", "json", "no"),))
    receipts = await room.accept(a_draft("0"), Rejected("1", failure), a_draft("2"))
    assert statuses(receipts) == ["accepted", "rejected", "accepted"]
    assert receipts[1].failure is failure
    assert [event.id for event in room.events] == ["0", "2"]


async def test_a_type_that_is_enforced_rejects_with_the_places() -> None:
    room = Room(rules={"t": FixedRule(mode="enforce", wrong=("/amount",))})
    (receipt,) = await room.accept(a_draft(at="/3"))
    assert receipt.status is Status.REJECTED
    assert isinstance(receipt.failure, Unprocessable)
    assert [fault.pointer for fault in receipt.failure.faults] == ["/3/data/amount"]
    assert room.events == []


async def test_a_type_that_warns_accepts_and_says_so() -> None:
    (receipt,) = await Room(rules={"t": FixedRule(mode="warn", wrong=("/amount",))}).accept(a_draft())
    assert receipt.status is Status.ACCEPTED
    assert [fault.pointer for fault in receipt.warnings] == ["/data/amount"]


async def test_data_that_is_elsewhere_is_not_for_a_schema() -> None:
    rules: dict[str, Rule] = {"t": FixedRule(mode="enforce", wrong=("",))}
    elsewhere = {"dataref": "s3://a/b"}
    (receipt,) = await Room(rules=rules).accept(a_draft(extensions=elsewhere))
    assert receipt.status is Status.ACCEPTED
    (receipt,) = await Room(rules=rules).accept(a_draft(extensions=elsewhere, data=msgspec.Raw(b"{}")))
    assert receipt.status is Status.REJECTED  # what is here is looked at


async def test_a_type_that_is_enforced_takes_no_data_of_another_kind() -> None:
    (receipt,) = await Room(rules={"t": FixedRule(mode="enforce")}).accept(a_draft(data_base64="aGk="))
    assert receipt.status is Status.REJECTED
    assert isinstance(receipt.failure, Unprocessable)
    assert [fault.pointer for fault in receipt.failure.faults] == ["/data_base64"]


async def test_while_types_were_never_known_events_are_accepted_and_the_answer_says_so() -> None:
    room = Room()
    room.rules.away = True
    accepted = await room.accepted(a_draft())
    assert (statuses(accepted.receipts), accepted.degraded) == (["accepted"], ("schemas",))


async def test_a_duplicate_gets_the_original_receipt_and_is_not_appended() -> None:
    room = Room()
    await room.accept(a_draft("0"))
    (first,) = await room.accept(a_draft())
    (second,) = await room.accept(a_draft())
    assert (second.status, second.position) == (Status.DUPLICATE, first.position)
    assert len(room.events) == 2


async def test_an_event_is_a_duplicate_within_its_types_window_and_on_its_day() -> None:
    now = 0.0
    room = Room(MemoryAdmission(now=lambda: now), {"t": FixedRule(window=60)})
    await room.accept(a_draft())
    midnight = (MOMENT.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1) - MOMENT).total_seconds()
    now = midnight - 1  # its row is there still: a shorter window would accept it for nothing
    assert statuses(await room.accept(a_draft())) == ["duplicate"]
    now = midnight + 1
    assert statuses(await room.accept(a_draft())) == ["accepted"]


async def test_the_same_id_of_another_source_is_another_event() -> None:
    room = Room()
    assert statuses(await room.accept(a_draft(source="/a"), a_draft(source="/b"))) == ["accepted", "accepted"]


async def test_a_duplicate_inside_one_batch_gets_the_receipt_of_the_first() -> None:
    room = Room()
    first, other, second = await room.accept(a_draft(), a_draft("2"), a_draft())
    assert (first.status, second.status) == (Status.ACCEPTED, Status.DUPLICATE)
    assert first.position == second.position != other.position
    room.log.away = room.log.unsure = True
    assert statuses(await room.accept(a_draft("3"), a_draft("3"))) == ["retry", "retry"]


async def test_a_whole_batch_is_admitted_by_one_question_and_settled_by_another() -> None:
    room = Room()
    await room.accept(*(a_draft(str(number)) for number in range(500)))
    assert room.admission.asked == 2


async def test_of_two_that_arrive_at_the_same_moment_one_waits_for_the_others_receipt() -> None:
    one, other = Room(), Room()
    other = Room(one.admission)
    whole = one.log.append
    reached, go = asyncio.Event(), asyncio.Event()

    async def slow(events: Sequence[Event], *, within: float | None = None) -> list[Appended | NotAppended]:
        reached.set()
        await go.wait()
        return await whole(events, within=within)

    one.log.append = slow  # type: ignore[method-assign]  # a broker takes its time, the memory log none
    first = asyncio.ensure_future(one.accept(a_draft()))
    await reached.wait()
    second = asyncio.ensure_future(other.accept(a_draft()))
    await asyncio.sleep(0.02)
    assert not second.done()
    go.set()
    (original,), (duplicate,) = await first, await second
    assert (duplicate.status, duplicate.position) == (Status.DUPLICATE, original.position)
    assert other.events == []


async def test_a_claim_that_is_let_go_is_taken_over() -> None:
    room = Room()
    await room.admission.admit("demo", [Entry(KEY, "1")], claim="somebody-else")
    waiting = asyncio.ensure_future(room.accept(a_draft()))
    await asyncio.sleep(0.02)
    await room.admission.settle("demo", [], [KEY], claim="somebody-else")
    assert statuses(await waiting) == ["accepted"]


async def test_an_event_that_stays_undecided_keeps_back_what_follows_under_its_key() -> None:
    room = Room()
    await room.admission.admit("demo", [Entry(KEY, "k")], claim="somebody-else")
    drafts = [a_draft("0", key="k"), a_draft("1", key="k"), a_draft("2", key="k"), a_draft("3", key="other")]
    assert statuses(await room.accept(*drafts, seconds=0.05)) == ["accepted", "retry", "retry", "accepted"]
    await room.admission.settle("demo", [], [KEY], claim="somebody-else")
    assert statuses(await room.accept(*drafts)) == ["duplicate", "accepted", "accepted", "duplicate"]
    assert [event.id for event in room.events] == ["0", "3", "1", "2"]


async def test_an_event_of_unknown_outcome_may_be_sent_again_at_once() -> None:
    room = Room()
    room.log.away = room.log.unsure = True
    assert statuses(await room.accept(a_draft())) == ["retry"]
    room = Room(room.admission)
    assert statuses(await room.accept(a_draft())) == ["accepted"]


async def test_an_event_of_unknown_outcome_that_is_sent_again_after_midnight_is_one_row() -> None:
    room = Room()
    late = MOMENT.replace(hour=23, minute=59, second=59)
    room.clock.moment = late
    whole = room.log.append

    async def silent(events: Sequence[Event], *, within: float | None = None) -> list[Appended | NotAppended]:
        await whole(events)  # the broker has them, and its answer is lost
        return [NotAppended("late")] * len(events)

    room.log.append = silent  # type: ignore[method-assign]  # the memory log answers always
    assert statuses(await room.accept(a_draft())) == ["retry"]
    well = Room(room.admission)
    well.clock.moment = late + timedelta(seconds=2)
    assert statuses(await well.accept(a_draft())) == ["accepted"]
    store = MemoryEventStore()
    outcomes = await store.store(room.log.records() + well.log.records())
    assert outcomes == [Outcome.STORED, Outcome.DUPLICATE]


async def test_without_redis_events_are_accepted_and_the_answer_says_so() -> None:
    room = Room()
    room.admission.away = True
    accepted = await room.accepted(a_draft(), a_draft("2"), a_draft())
    assert statuses(accepted.receipts) == ["accepted", "accepted", "duplicate"]
    assert accepted.degraded == ("dedup", "order")  # nobody said what is in the spool


async def test_redis_that_leaves_while_an_event_is_waited_for_is_told() -> None:
    room = Room()
    await room.admission.admit("demo", [Entry(KEY, "1")], claim="somebody-else")
    waiting = asyncio.ensure_future(room.accepted(a_draft()))
    await asyncio.sleep(0.02)
    room.admission.away = True
    accepted = await waiting
    assert (statuses(accepted.receipts), accepted.degraded) == (["accepted"], ("dedup", "order"))


async def test_receipts_that_could_not_be_kept_are_told() -> None:
    room = Room()
    kept = room.admission.settle

    async def lost(
        tenant: str,
        settled: Sequence[Settled],
        released: Sequence[UUID],
        *,
        claim: str,
        unknown: Sequence[Unknown] = (),
    ) -> bool:
        return await kept(tenant, [], [], claim=claim) and False

    room.admission.settle = lost  # type: ignore[method-assign]  # Redis that leaves between the two questions
    assert (await room.accepted(a_draft())).degraded == ("dedup",)


async def test_over_the_quota_the_front_is_let_in_and_the_rest_throttled() -> None:
    room = Room(MemoryAdmission(Quota(events_per_second=1, burst=2), now=lambda: 0.0))
    accepted = await room.accepted(*(a_draft(str(number)) for number in range(4)))
    assert statuses(accepted.receipts) == ["accepted", "accepted", "throttled", "throttled"]
    assert accepted.receipts[2].retry_after_seconds == 1
    assert accepted.allowance is not None
    assert accepted.allowance.remaining == 0


async def test_an_absent_log_is_spooled_and_a_duplicate_of_that_has_no_position() -> None:
    room = Room()
    room.log.away = True
    assert statuses(await room.accept(a_draft())) == ["spooled"]
    (again,) = await Room(room.admission).accept(a_draft())
    assert (again.status, again.position) == (Status.DUPLICATE, None)
    assert [event.id for events in room.spool.objects.values() for event in events] == ["1"]


async def test_with_log_and_spool_away_nothing_is_acknowledged() -> None:
    room = Room()
    room.log.away = room.spool.away = True
    assert statuses(await room.accept(a_draft())) == ["retry"]
    assert room.spool.objects == {}


async def test_an_event_does_not_overtake_older_ones_of_its_key_in_the_spool() -> None:
    room = Room()
    room.log.away = True
    await room.accept(a_draft("1", key="k"))
    well = Room(room.admission)
    receipts = await well.accept(a_draft("2", key="k"), a_draft("3", key="other"), a_draft("4", key="k"))
    assert statuses(receipts) == ["spooled", "accepted", "spooled"]
    assert [event.id for event in well.events] == ["3"]


async def test_what_was_let_in_before_a_wait_for_another_is_asked_for_again_after_it() -> None:
    room = Room()
    await room.admission.admit("demo", [Entry(KEY, "k")], claim="somebody-else")
    sending = asyncio.ensure_future(room.accept(a_draft("1", key="k"), a_draft("2", key="k")))
    await asyncio.sleep(0.005)
    await room.admission.enter("demo", ["k"], spooled="spool/1")  # the other one's event went into the spool meanwhile
    await room.admission.settle("demo", [Settled(KEY, None, 60)], [], claim="somebody-else")
    assert statuses(await sending) == ["duplicate", "spooled"]
    assert room.events == []


async def test_a_request_that_is_sent_again_under_its_key_gives_its_events_the_same_ids() -> None:
    caller = Caller("demo", "somebody", CALLER.traceparent, "key and fingerprint")
    room = Room()
    room.log.away = room.log.unsure = True
    drafts = [a_draft(None), a_draft(None)]
    first = await room.ingest.accept(drafts, caller, deadline=Deadline(5))
    again = await Room(room.admission).ingest.accept(drafts, caller, deadline=Deadline(5))
    assert [receipt.id for receipt in first.receipts] == [receipt.id for receipt in again.receipts]
    assert len({receipt.id for receipt in again.receipts}) == 2


async def test_a_request_that_waits_is_told_of_its_rows() -> None:
    room = Room()

    class Told(MemoryWaiters):
        async def wait(self, waiter: str, keys: Sequence[UUID], *, seconds: float) -> set[UUID]:
            await self.tell([(event.waiter, event.key) for event in room.events[:1] if event.waiter == waiter])
            return await super().wait(waiter, keys, seconds=seconds)

    room.ingest._waiters = Told()
    accepted = await room.accepted(a_draft("1"), a_draft("2"), wait=1)
    assert statuses(accepted.receipts) == ["stored", "accepted"]


async def test_nobody_waits_unless_asked() -> None:
    assert (await stamped(a_draft())).waiter is None


async def test_checking_says_the_same_and_writes_nothing() -> None:
    room = Room(rules={"bad": FixedRule(mode="enforce", wrong=("/a",))})
    drafts: list[Draft | Rejected] = [a_draft(), Draft(type="bad", id="2"), Rejected(None, Malformed("no")), a_draft()]
    checked = await room.ingest.check(drafts, CALLER)
    assert statuses(checked.receipts) == ["accepted", "rejected", "rejected", "duplicate"]
    assert (room.events, room.admission.asked, room.spool.objects) == ([], 0, {})
