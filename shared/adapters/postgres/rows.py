"""Records as the columns of `events`, all as text."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from shared.events.model import LogRecord, written

COLUMNS = {
    "received_day": "::date",
    "key": "::uuid",
    "tenant": "",
    "principal": "",
    "id": "",
    "source": "",
    "type": "",
    "partition_key": "",
    "received_at": "::timestamptz",
    "subject": "",
    '"time"': "::timestamptz",
    "datacontenttype": "",
    "dataschema": "",
    "data": "::jsonb",
    "data_base64": "",
    "extensions": "::jsonb",
    "traceparent": "",
    '"partition"': "::int",
    '"offset"': "::bigint",
    "spooled_at": "::timestamptz",
    "redriven_at": "::timestamptz",
}
"""The columns that a store fills, and what the text is cast to."""

_PLACES = {name: place for place, name in enumerate(COLUMNS)}
_NO_EXTENSIONS = "{}"

type Column = list[str | None]


class Rows:
    """Columns of one length, in the order of `COLUMNS`."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.parameters = tuple(columns)

    def __len__(self) -> int:
        return len(self.parameters[0])

    def __getitem__(self, name: str) -> Column:
        return self.parameters[_PLACES[name]]

    def part(self, low: int, high: int) -> "Rows":
        """The rows from `low` to before `high`."""
        return Rows([column[low:high] for column in self.parameters])

    def zeros(self) -> Iterator[tuple[int, str]]:
        """The rows whose text has U+0000, each with one column that does."""
        for name, column in zip(COLUMNS, self.parameters, strict=True):
            for place, text in enumerate(column):
                if text is not None and "\0" in text:
                    yield place, name.strip('"')


def rows_of(records: Sequence[LogRecord]) -> Rows:
    """The rows of `records`, in the order given. An event of 1 KB takes 3 µs."""
    events = [record.event for record in records]
    received = [_utc(event.received_at) for event in events]
    return Rows(
        [
            [moment[:10] for moment in received],
            [_uuid(event.key) for event in events],
            [event.tenant for event in events],
            [event.principal for event in events],
            [event.id for event in events],
            [event.source for event in events],
            [event.type for event in events],
            [event.partition_key for event in events],
            list(received),
            [event.subject for event in events],
            [None if event.time is None else _utc(event.time) for event in events],
            [event.datacontenttype for event in events],
            [event.dataschema for event in events],
            [None if (data := written(event.data)) is None else data.decode() for event in events],
            [event.data_base64 for event in events],
            [
                msgspec.json.encode(event.extensions).decode() if event.extensions else _NO_EXTENSIONS
                for event in events
            ],
            [event.traceparent for event in events],
            [str(record.position.partition) for record in records],
            [str(record.position.offset) for record in records],
            [None if event.spooled_at is None else _utc(event.spooled_at) for event in events],
            [None if event.redriven_at is None else _utc(event.redriven_at) for event in events],
        ]
    )


def _utc(moment: datetime) -> str:
    """In UTC: RFC 3339 allows offsets up to 23:59, PostgreSQL up to 15:59."""
    return (moment if moment.tzinfo is UTC else moment.astimezone(UTC)).isoformat()


def _uuid(key: UUID) -> str:
    """32 digits without hyphens: PostgreSQL reads both, and these are made in a fifth of the time."""
    return f"{key.int:032x}"
