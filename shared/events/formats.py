"""The bodies that senders write: one event in the plain form or as a CloudEvent, and batches of both.

Nothing of a body is repeated in a fault but member names inside a pointer.
"""

import re
from collections.abc import Mapping
from datetime import datetime

from shared.events.batch import read
from shared.events.cloudevents import binary, is_binary, structured
from shared.events.draft import Draft, Rejected
from shared.events.encodings import decoded
from shared.events.faults import refusal_of
from shared.events.limits import MAX_BATCH_BYTES, MAX_EVENT_BYTES
from shared.events.media import BATCH, LINES, PLAIN, STRUCTURED, content_type_of, media_type_of, require
from shared.events.plain import plain
from shared.kit.errors import Fault, Malformed, Unprocessable

_EVENT_TOO_LARGE = Fault("", "event_too_large", f"Keep an event within {MAX_EVENT_BYTES} bytes.")
_BATCH_TOO_LARGE = Fault("", "batch_too_large", f"Keep a batch within {MAX_BATCH_BYTES} bytes.")
_BINARY_BATCH = Fault("", "binary_batch", "Send one event with ce- headers, or several without.")

_BATCH_BEGINS = re.compile(rb'\s*(\[|\{\s*"events\b)')


def parse_event(body: bytes, headers: Mapping[str, str], *, now: datetime) -> Draft:
    """One event of at most 256 KiB: plain, structured, or binary where there are `ce-` headers.

    A content type of CloudEvents decides against binary mode (HTTP binding, 3), and then `ce-` headers say nothing.
    `headers` has lower-case names, and gives one that was sent several times as often from `items()`.

    Raises:
        UnsupportedMedia: a content type or encoding that is not read, or not UTF-8.
        TooLarge: over the limit.
        Malformed: not JSON, or not what its encoding says.
        Unprocessable: an event that breaks a rule.
    """
    sent = list(headers.items())
    content_type = content_type_of(sent)
    content = decoded(body, sent, _EVENT_TOO_LARGE, MAX_EVENT_BYTES)
    if is_binary(sent) and not media_type_of(content_type).startswith("application/cloudevents"):
        draft, faults = binary(content, sent, content_type, now)
    else:
        media_type = require(content_type, (PLAIN, STRUCTURED))
        _require_utf8(content)
        draft, faults = (structured if media_type == STRUCTURED else plain)(content, "", now)
    if draft is None or faults:
        raise refusal_of("The event cannot be accepted.", faults)
    return draft


def is_batch(body: bytes, headers: Mapping[str, str]) -> bool:
    """Whether a body that may be either is a batch: by its media type, else by its first character or only member."""
    sent = list(headers.items())
    media_type = media_type_of(content_type_of(sent))
    if media_type in (BATCH, LINES):
        return True
    if media_type != PLAIN or is_binary(sent):
        return False
    return _BATCH_BEGINS.match(decoded(body, sent, _BATCH_TOO_LARGE, MAX_BATCH_BYTES)) is not None


def parse_batch(body: bytes, headers: Mapping[str, str], *, now: datetime) -> list[Draft | Rejected]:
    """1 to 1,000 events in at most 4 MiB: a JSON array, `{"events": [...]}`, lines of JSON, or a CloudEvents batch.

    An event in an array or a line that says `specversion` is a structured CloudEvent. One that breaks a rule stands as
    `Rejected` in its place. Blank lines are passed over and not counted.

    Raises:
        UnsupportedMedia, TooLarge, Malformed, Unprocessable: the batch as a whole cannot be read, or is empty.
    """
    sent = list(headers.items())
    media_type = require(content_type_of(sent), (PLAIN, BATCH, LINES))
    if is_binary(sent) and media_type != BATCH:
        raise Unprocessable("The binary mode holds one event.", faults=(_BINARY_BATCH,))
    content = decoded(body, sent, _BATCH_TOO_LARGE, MAX_BATCH_BYTES)
    _require_utf8(content)
    return read(content, media_type, now)


def _require_utf8(body: bytes) -> None:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        fault = Fault("", "utf8", f"Send UTF-8 (the first wrong byte is number {error.start}).")
        raise Malformed("The body is not UTF-8.", faults=(fault,)) from None
