"""Reading events back: one with its timeline, or pages in keyset order."""

import hashlib
from typing import Any

import msgspec

from shared.events.model import StoredEvent, written
from shared.events.ports import Cache, EventFilter, EventReader, Keyset
from shared.kit.cursor import Bookmarks, CursorSigner
from shared.kit.errors import Conflict, Fault, NotFound

CACHED_SECONDS = 30
"""How long an answer is kept. An event never changes; the bound is for what may yet be told of it."""

_PAGE_BYTES = 2 * 1024 * 1024  # of JSON: escaped inside Lambda's answer it may double, and 6 MB is all that takes


class PageRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a page is asked for. `cursor` is the `next` of the page before, for the same filter and order."""

    where: EventFilter = EventFilter()
    limit: int = 50
    descending: bool = True
    cursor: str | None = None


class Page(msgspec.Struct, frozen=True):
    """Events as clients see them, as JSON objects, and the cursor of the page that follows, if there is one."""

    events: list[msgspec.Raw]
    next: str | None


class DeadLettered(NotFound):
    """The event is not stored, and its dead letters, which the members name, say why."""

    code = "dead_lettered"


class Query:
    """Answers for one tenant at a time."""

    def __init__(self, reader: EventReader, cache: Cache, cursors: CursorSigner) -> None:
        self._reader = reader
        self._cache = cache
        self._bookmarks = Bookmarks(cursors, Keyset)

    async def event(self, tenant: str, id_: str, source: str | None) -> bytes:
        """The event as a JSON object with its timeline: from the cache, else from the replica.

        Raises:
            DeadLettered: it could not be stored.
            NotFound: the tenant has no such event, or none that has reached the replica.
            Conflict: several sources share the id; the faults name them.
            Unavailable: the replica is away and the cache does not know the event.
        """
        name = cache_key(tenant, id_, source)
        cached = await self._cache.get(name)
        if cached is not None:
            return cached
        found = await self._reader.by_id(tenant, id_, source)
        if not found:
            raise await self._absent(tenant, id_, source)
        sources = sorted({stored.event.source for stored in found})
        if len(sources) > 1:
            faults = tuple(Fault("/source", "candidate", candidate) for candidate in sources)
            raise Conflict("Several sources use this id: choose one with ?source=.", faults=faults)
        body = msgspec.json.encode(view(found[0]))
        await self._cache.put(name, body, ttl_seconds=CACHED_SECONDS)
        return body

    async def _absent(self, tenant: str, id_: str, source: str | None) -> NotFound:
        letters = await self._reader.dead(tenant, id_, source)
        if not letters:
            return NotFound("There is no event with this id, or it is not stored yet: ask again in a moment.")
        told = {"dead_letters": [str(letter) for letter in letters]}
        return DeadLettered("The event could not be stored. Its dead letter says why.", members=told)

    async def page(self, tenant: str, request: PageRequest) -> Page:
        """Up to `limit` events beyond the cursor, fewer where they are large, newest first unless asked otherwise.

        Raises:
            Malformed: the cursor was not made here, or for another tenant, filter or order.
            Unavailable: the replica is away.
        """
        question = ("stored events", tenant, request.where, request.descending)
        after = self._bookmarks.open(question, request.cursor)
        rows = await self._reader.page(
            tenant, request.where, after=after, limit=request.limit + 1, descending=request.descending
        )
        shown = _fitting(rows[: request.limit])
        if len(rows) <= len(shown):
            return Page(shown, None)
        last = rows[len(shown) - 1].event
        return Page(shown, self._bookmarks.seal(question, Keyset(last.received_at, str(last.key))))


def view(stored: StoredEvent) -> dict[str, Any]:
    """The event as clients see it: its attributes, where it lies, and what became of it when."""
    event, position = stored.event, stored.position
    attributes = {
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": event.time,
        "datacontenttype": event.datacontenttype,
        "dataschema": event.dataschema,
        **event.extensions,
        "data": event.data if written(event.data) else None,
        "data_base64": event.data_base64,
    }
    return {name: value for name, value in attributes.items() if value is not None} | {
        "partition": position.partition,
        "offset": position.offset,
        "position": str(position),
        "received_at": event.received_at,
        "timeline": _timeline(stored),
    }


def _timeline(stored: StoredEvent) -> list[dict[str, Any]]:
    event, position = stored.event, stored.position
    accepted = {"state": "accepted", "at": event.received_at, "detail": f"position {position}"}
    spooled = [{"state": "spooled", "at": event.spooled_at}] if event.spooled_at else []
    redriven = [{"state": "redriven", "at": event.redriven_at}] if event.redriven_at else []
    return [accepted, *spooled, *redriven, {"state": "stored", "at": stored.stored_at}]


def _fitting(rows: list[StoredEvent]) -> list[msgspec.Raw]:
    """The first rows as JSON, as many as fit a page, and one at least."""
    events: list[msgspec.Raw] = []
    size = 0
    for row in rows:
        body = msgspec.json.encode(view(row))
        size += len(body)
        if events and size > _PAGE_BYTES:
            break
        events.append(msgspec.Raw(body))
    return events


def cache_key(tenant: str, id_: str, source: str | None) -> str:
    """Where the answer to `Query.event` is kept, for `CACHED_SECONDS` at most."""
    # The tag in braces keeps a tenant's keys in one slot of a cluster; the digest keeps strangers' bytes out of keys.
    digest = hashlib.sha256(msgspec.json.encode((id_, source))).hexdigest()
    return f"event:{{{tenant}}}:{digest}"
