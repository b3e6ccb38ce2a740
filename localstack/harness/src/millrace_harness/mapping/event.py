"""Lambda's event for Kafka. The only module that knows its shape.

Source: the example events of the Lambda developer guide, "Using Lambda with Amazon MSK" and "Using Lambda with
self-managed Apache Kafka".
"""

import json
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from millrace_harness.mapping.config import MappingConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record of a partition, as the log has it. `timestamp` is in milliseconds since 1970."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    timestamp_type: Literal["CREATE_TIME", "LOG_APPEND_TIME"] = "CREATE_TIME"
    key: bytes | None = None
    value: bytes | None = None
    headers: Sequence[tuple[str, bytes | None]] = ()


@dataclass(frozen=True, slots=True)
class Encoded:
    """A record with its JSON, made once: its length decides what fits a batch, and it becomes part of the event."""

    record: Record
    json: bytes = field(repr=False)


def encode_record(record: Record) -> Encoded:
    """The record as it stands in the event: key and value in base64, each header as a list of signed bytes."""
    document = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "timestampType": record.timestamp_type,
        "key": _base64(record.key),
        "value": _base64(record.value),
        "headers": [{name: _signed(value)} for name, value in record.headers],
    }
    return Encoded(record, json.dumps(document, separators=(",", ":")).encode())


def envelope(config: MappingConfig) -> dict[str, str]:
    """What the event says besides its records."""
    source = {"eventSource": "aws:kafka" if config.event_source_arn else "SelfManagedKafka"}
    if config.event_source_arn:
        source["eventSourceArn"] = config.event_source_arn
    return source | {"bootstrapServers": config.bootstrap}


def empty_size(config: MappingConfig) -> int:
    """The bytes of an event without records."""
    return len(encode(config, ()))


def added_size(encoded: Encoded, *, first_of_partition: bool) -> int:
    """The bytes that a record adds: its JSON and a comma, and with the first of a partition the list around it."""
    name = len(_place(encoded.record)) + len('"":[],') if first_of_partition else 0
    return len(encoded.json) + 1 + name


def encode(config: MappingConfig, records: Iterable[Encoded]) -> bytes:
    """The event: records grouped by `topic-partition`, each group in the order given."""
    groups: dict[str, list[bytes]] = {}
    for encoded in records:
        groups.setdefault(_place(encoded.record), []).append(encoded.json)
    head = json.dumps(envelope(config), separators=(",", ":")).encode()[:-1]
    body = b",".join(b'"%s":[%s]' % (name.encode(), b",".join(lines)) for name, lines in groups.items())
    return b'%s,"records":{%s}}' % (head, body)


def _place(record: Record) -> str:
    return f"{record.topic}-{record.partition}"


def _base64(value: bytes | None) -> str | None:
    return None if value is None else b64encode(value).decode()


def _signed(value: bytes | None) -> list[int]:
    return [byte - 256 if byte > 127 else byte for byte in value or b""]
