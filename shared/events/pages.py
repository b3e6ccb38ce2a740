"""What an object of the spool holds: one envelope a line, compressed."""

from collections.abc import Sequence

from backports import zstd

from shared.events.envelope import decode, encode
from shared.events.model import Event
from shared.kit.errors import Malformed


def pack(events: Sequence[Event]) -> bytes:
    """The events in their order. An envelope is JSON, so no line break stands inside one."""
    return zstd.compress(b"\n".join([_line(event) for event in events]))


def unpack(content: bytes) -> list[Event]:
    """The events that `pack` wrote.

    Raises:
        Malformed: `pack` did not write this.
    """
    try:
        lines = zstd.decompress(content).split(b"\n")
    except zstd.ZstdError as error:
        raise Malformed("The object is not compressed as ours are.") from error
    return [decode(line) for line in lines]


def _line(event: Event) -> bytes:
    encoded = encode(event)
    # The sender's own JSON goes in byte for byte, and may have line breaks between its members: there they are spaces.
    return encoded.replace(b"\n", b" ").replace(b"\r", b" ") if b"\n" in encoded or b"\r" in encoded else encoded
