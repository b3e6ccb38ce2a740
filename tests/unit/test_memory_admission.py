"""What only a clock that is set can show of admission; the rest is in the contract."""

from uuid import uuid4

import pytest

from shared.adapters.memory.admission import MemoryAdmission
from shared.events.admission import Claimed, Entry, Fresh, Known, Settled


class Clock:
    """One that is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """At its beginning."""
    return Clock()


async def test_a_claim_that_nobody_settles_lapses(clock: Clock) -> None:
    admission = MemoryAdmission(now=clock)
    asked = [Entry(uuid4(), "key")]
    await admission.admit("tenant", asked, claim="dead")
    clock.now = 9.0
    assert (await admission.admit("tenant", asked, claim="b")).verdicts == [Claimed()]
    clock.now = 10.0
    assert (await admission.admit("tenant", asked, claim="c")).verdicts == [Fresh()]


async def test_whoever_lost_the_claim_does_not_settle_it(clock: Clock) -> None:
    admission = MemoryAdmission(now=clock)
    asked = [Entry(uuid4(), "key")]
    await admission.admit("tenant", asked, claim="slow")
    clock.now = 11.0
    await admission.admit("tenant", asked, claim="b")
    assert await admission.settle("tenant", [Settled(asked[0].key, None, 60)], [asked[0].key], claim="slow")
    assert (await admission.admit("tenant", asked, claim="c")).verdicts == [Claimed()]
    assert await admission.settle("tenant", [Settled(asked[0].key, None, 60)], [], claim="b")
    assert (await admission.admit("tenant", asked, claim="c")).verdicts == [Known(None)]
