"""Drafts are stamped, appended and receipted."""

from datetime import datetime, timedelta
from uuid import UUID

from shared.adapters.memory.events import MemoryEventLog
from shared.events.draft import Draft
from shared.events.ingest import DEFAULT_SOURCE, Ingest, Receipt
from shared.events.model import Event, event_key
from shared.kit.clock import FixedClock
from tests.fixtures.events import MOMENT

CLOCK = FixedClock(MOMENT)


async def accept(log: MemoryEventLog, *drafts: Draft) -> list[Receipt]:
    ingest = Ingest(log, CLOCK, topic="events")
    return await ingest.accept(drafts, tenant="demo", principal="somebody", traceparent="00-trace")


async def stamped(draft: Draft) -> Event:
    log = MemoryEventLog()
    await accept(log, draft)
    (record,) = log.records()
    return record.event


async def test_a_receipt_says_where_the_event_lies() -> None:
    log = MemoryEventLog(partitions=1)
    await accept(log, Draft(type="t"))
    (receipt,) = await accept(log, Draft(type="t", id="order-1"))
    assert receipt == Receipt(id="order-1", status="accepted", topic="events", partition=0, offset=1, position="0:1")


async def test_receipts_stand_in_the_order_of_their_events() -> None:
    receipts = await accept(MemoryEventLog(), *(Draft(type="t", id=str(number)) for number in range(100)))
    assert [receipt.id for receipt in receipts] == [str(number) for number in range(100)]


async def test_an_event_without_an_id_is_given_one() -> None:
    (receipt,) = await accept(MemoryEventLog(), Draft(type="t"))
    assert UUID(receipt.id).version == 7


async def test_events_of_an_absent_log_are_to_be_sent_again_under_the_ids_they_were_given() -> None:
    log = MemoryEventLog()
    log.away = True
    named, unnamed = await accept(log, Draft(type="t", id="order-1"), Draft(type="t"))
    assert named == Receipt(id="order-1", status="retry")
    assert unnamed.status == "retry"
    assert UUID(unnamed.id)


async def test_an_event_sent_again_under_the_id_it_was_given_has_the_same_key() -> None:
    log = MemoryEventLog()
    (receipt,) = await accept(log, Draft(type="t"))
    await accept(log, Draft(type="t", id=receipt.id))
    assert len({record.event.key for record in log.records()}) == 1


async def test_the_server_stamps_what_is_its_own() -> None:
    event = await stamped(Draft(type="t", id="1", source="/s"))
    assert (event.tenant, event.principal, event.traceparent) == ("demo", "somebody", "00-trace")
    assert event.received_at == MOMENT
    assert event.key == event_key("demo", "/s", "1")


async def test_events_of_a_batch_are_received_at_one_time() -> None:
    class Ticking(FixedClock):
        def now(self) -> datetime:
            self.moment += timedelta(seconds=1)
            return self.moment

    log = MemoryEventLog()
    drafts = [Draft(type="t")] * 3
    await Ingest(log, Ticking(MOMENT), topic="events").accept(drafts, tenant="t", principal="p", traceparent=None)
    assert len({record.event.received_at for record in log.records()}) == 1


async def test_an_event_without_a_source_came_from_the_door_it_came_in_by() -> None:
    assert (await stamped(Draft(type="t"))).source == DEFAULT_SOURCE


async def test_the_key_then_the_subject_then_the_id_decide_the_order() -> None:
    assert (await stamped(Draft(type="t", id="i", subject="s", key="k"))).partition_key == "k"
    assert (await stamped(Draft(type="t", id="i", subject="s"))).partition_key == "s"
    assert (await stamped(Draft(type="t", id="i"))).partition_key == "i"
