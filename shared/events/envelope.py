"""The value of a record in the log: one event as JSON, metadata included.

Headers stay empty: an event source mapping writes each of them as an array of integers, and three small ones take a
batch of 5,000 over Lambda's 6 MB.
"""

import msgspec

from shared.events.limits import YEARS
from shared.events.model import Event
from shared.kit.errors import Malformed

_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Event)


def encode(event: Event) -> bytes:
    """The event as one JSON object; `data` goes in byte for byte."""
    return _ENCODER.encode(event)


def decode(value: bytes | None) -> Event:
    """The event that `encode` wrote. Fields that a later version added are passed over.

    Raises:
        Malformed: a tombstone, or bytes that no version of `encode` wrote.
    """
    if value is None:
        raise Malformed("The record has no value.")
    try:
        value.decode()  # msgspec passes over `data` without a look at its encoding
        event = _DECODER.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed("The record's value is not an event.") from error
    if event.received_at.year not in YEARS or not _is_storable(event):
        raise Malformed("The record's value has a time that cannot be stored.")
    return event


def _is_storable(event: Event) -> bool:
    # One by one: a loop over them would cost every record a third of a microsecond.
    return (
        (event.time is None or event.time.year in YEARS)
        and (event.spooled_at is None or event.spooled_at.year in YEARS)
        and (event.redriven_at is None or event.redriven_at.year in YEARS)
    )
