"""An object in the spool wakes drain, through the bucket's own notification and the queue."""

from datetime import UTC, datetime
from uuid import uuid4

import httpx
import msgspec

from shared.events.model import Event, event_key
from shared.events.objects import PREFIX, UNREADABLE, object_name
from shared.events.pages import pack
from tests.fixtures.deployment import Ledger, SpoolBucket, read_back

TENANT = "demo"  # that of the development key
DRAINED_SECONDS = 60.0  # a bound: the mapping looks once a second, and a cold drain takes some


def test_an_object_that_is_put_into_the_spool_is_drained_and_its_events_are_stored(
    api: httpx.Client, spool: SpoolBucket, ledger: Ledger
) -> None:
    now = datetime.now(UTC)
    id_ = f"spooled-{uuid4()}"
    event = Event(
        key=event_key(TENANT, "urn:test", id_),
        tenant=TENANT,
        principal="test",
        id=id_,
        source="urn:test",
        type="test.spooled",
        partition_key="one",
        received_at=now,
        data=msgspec.Raw(b'{"a":1}'),
        spooled_at=now,
    )
    spool.put(object_name(str(uuid4())), pack([event]))
    ledger.acknowledged.append(event.id)
    spool.wait_until_empty(DRAINED_SECONDS)
    ledger.assert_stored_once()
    found = read_back(api, event.id)
    assert found["data"] == {"a": 1}
    assert [entry["state"] for entry in found["timeline"]] == ["accepted", "spooled", "stored"]


def test_what_cannot_be_read_is_set_aside_and_stays_there(spool: SpoolBucket) -> None:
    name = f"{uuid4()}.ndjson.zst"
    spool.put(PREFIX + name, b"nothing of ours")
    spool.wait_until_empty(DRAINED_SECONDS)
    assert UNREADABLE + name in spool.names(UNREADABLE)
