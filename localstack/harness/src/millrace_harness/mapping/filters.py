"""Which records the function is not to see.

Source: Lambda developer guide, "Filtering events from Amazon MSK and self-managed Apache Kafka event sources".
"""

from collections.abc import Iterable
from typing import Any

from millrace_harness.mapping import patterns
from millrace_harness.mapping.event import Record
from millrace_harness.mapping.patterns import Message, Number


class Filters:
    """The patterns of one mapping, ORed; without any every record passes.

    A key or value is a document where it is a JSON object or list, else a plain text, and neither where it is absent
    or not UTF-8. What a pattern wants of the other kind does not count: only the metadata decide then, and without a
    rule for them the record is delivered. So AWS' table says, for Kafka other than for streams and queues.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._patterns = [patterns.parse(text) for text in texts]

    def passes(self, record: Record) -> bool:
        """Whether the function is to see the record."""
        if not self._patterns:
            return True
        document = {
            "topic": record.topic,
            "partition": Number(str(record.partition)),
            "offset": Number(str(record.offset)),
            "timestamp": Number(str(record.timestamp)),
            "timestampType": record.timestamp_type,
            "key": _message(record.key),
            "value": _message(record.value),
        }
        return any(pattern(document) for pattern in self._patterns)


def _message(content: bytes | None) -> Message:
    if content is None:
        return Message()
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return Message()
    try:
        document: Any = patterns.load(text)
    except (ValueError, RecursionError):
        return Message(text=text)
    return Message(document=document) if isinstance(document, dict | list) else Message(text=text)
