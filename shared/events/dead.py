"""Dead letters: records that cannot be stored, taken out of their partition with all that is known of them."""

from collections.abc import Sequence
from typing import Annotated, Protocol
from uuid import UUID

import msgspec

from shared.events.limits import YEARS
from shared.events.model import Moment
from shared.kit.errors import Malformed
from shared.kit.ids import uuid8

# What a column holds: PostgreSQL's integers, and text without U+0000.
Word = Annotated[str, msgspec.Meta(max_length=255, pattern=r"\A[^\x00]*\Z")]
Sentence = Annotated[str, msgspec.Meta(max_length=2000, pattern=r"\A[^\x00]*\Z")]
Int4 = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
Int8 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One record that could not be stored, byte for byte, as it travels in `events.dead`.

    `topic`, `partition`, `offset` and `timestamp_ms` are the record's own coordinates, `key` and `value` its bytes.
    `code` is a stable word for programs and `reason` a sentence for people; neither repeats the record. `attempts` is
    how often it was tried, this time included. `tenant` and `traceparent` where they could be read.
    """

    topic: Word
    partition: Int4
    offset: Int8
    timestamp_ms: Int8
    code: Word
    reason: Sentence
    attempts: Int4
    dead_at: Moment
    key: bytes | None = None
    value: bytes | None = None
    tenant: str | None = None
    traceparent: str | None = None

    @property
    def id(self) -> UUID:
        """The same for the same record, so a letter that is written twice is one letter."""
        return uuid8("dead letter", self.topic, str(self.partition), str(self.offset))


class DeadLetterLog(Protocol):
    """The topic that dead letters are appended to."""

    async def append(self, letters: Sequence[DeadLetter]) -> list[bool]:
        """Append `letters`, and answer for each, in the order given, whether every in-sync replica has it.

        Repeatable: the same letter again is one letter in storage. Bounded by about 2 s, and never raises for an absent
        log: nothing of what is not acknowledged may be reported as done.
        """
        ...


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(DeadLetter)


def encode(letter: DeadLetter) -> bytes:
    """The letter as one JSON object, its bytes in base64."""
    return _ENCODER.encode(letter)


def decode(value: bytes | None) -> DeadLetter:
    """The letter that `encode` wrote. Fields that a later version added are passed over.

    `tenant` and `traceparent` are as somebody read them in a record that is poison: they may hold anything.

    Raises:
        Malformed: a tombstone, or bytes that no version of `encode` wrote.
    """
    if value is None:
        raise Malformed("The record has no value.")
    try:
        letter = _DECODER.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed("The record's value is not a dead letter.") from error
    if letter.dead_at.year not in YEARS:
        raise Malformed("The record's value has a time that cannot be stored.")
    return letter
