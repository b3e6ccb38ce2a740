"""Tables that are not as they should be: a day without a partition, and a disk that is full."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.fixtures.events import MOMENT
from tests.fixtures.persisting import eventually
from tests.fixtures.rig import Rig
from tests.fixtures.small_disk import NotHere, fill, small_disk
from tests.fixtures.way import Way, stored_by

pytestmark = pytest.mark.timeout(180)

_EVENTS = 40
_REFUSAL = """
CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$
"""


def test_a_day_without_a_partition_loses_no_event(way: Way) -> None:
    """The default partition keeps it, until the day has its own."""
    day = MOMENT + timedelta(days=3)
    way.rig.ask(f"DROP TABLE events_{day:%Y%m%d}")
    with stored_by(way) as calls:
        way.send_all(_EVENTS // 2, received_at=day)
        way.send_all(_EVENTS // 2)
        way.assert_balanced()
    assert calls.failed == 0
    kept = way.rig.ask("SELECT id FROM events_default WHERE source = $1", way.source)
    assert len(kept) == _EVENTS // 2


def test_a_disk_that_postgresql_says_is_full_buries_nothing_and_all_is_stored_when_there_is_room(way: Way) -> None:
    """53100 as PostgreSQL says it: where nobody may mount a disk, a trigger is what raises it."""
    day = MOMENT + timedelta(days=2)
    table = f"events_{day:%Y%m%d}"
    way.rig.ask(_REFUSAL)
    way.rig.ask(f"CREATE TRIGGER no_room BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION no_room()")
    with stored_by(way) as calls:
        way.send_all(_EVENTS, received_at=day)
        eventually(lambda: calls.failed > 1, "persist is told so, and told so again")
        assert "53100" in calls.logs
        assert way.stored() == 0
        assert way.dead() == 0
        way.rig.ask(f"DROP TRIGGER no_room ON {table}")
        way.assert_balanced()
    assert way.stored() == _EVENTS


@pytest.fixture
def tablespace(rig: Rig) -> Iterator[str]:
    """One on a small disk."""
    try:
        with small_disk(rig) as name:
            yield name
    except NotHere as reason:
        pytest.skip(str(reason))


def test_a_disk_that_is_full_buries_nothing_and_all_is_stored_when_there_is_room(way: Way, tablespace: str) -> None:
    day = MOMENT + timedelta(days=4)
    table = f"events_{day:%Y%m%d}"
    way.rig.ask(f"ALTER TABLE {table} SET TABLESPACE {tablespace}")
    fill(way.rig, tablespace)
    with stored_by(way) as calls:
        way.send_all(_EVENTS, received_at=day)
        eventually(lambda: calls.failed > 1, "persist is told so, and told so again")
        assert "53100" in calls.logs
        assert way.stored() == 0
        assert way.dead() == 0
        way.rig.ask("DROP TABLE filler")
        way.assert_balanced()
    assert way.stored() == _EVENTS
    way.rig.ask(f"ALTER TABLE {table} SET TABLESPACE pg_default")
