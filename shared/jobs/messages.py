"""The only place where the message that begins a step is written."""

from uuid import UUID

import msgspec

from shared.kit.errors import Malformed


class _Message(msgspec.Struct):
    job: UUID


def encode(job: UUID) -> str:
    """The message for a step of `job`."""
    return msgspec.json.encode(_Message(job)).decode()


def decode(text: str) -> UUID:
    """The job that `encode` wrote.

    Raises:
        Malformed: it did not write this.
    """
    try:
        return msgspec.json.decode(text, type=_Message).job
    except (msgspec.DecodeError, UnicodeError) as error:
        raise Malformed("The message names no job.") from error
