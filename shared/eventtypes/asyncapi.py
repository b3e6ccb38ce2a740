"""A tenant's event types as an AsyncAPI 3.0 document: what is sent, and by which schema."""

from collections.abc import Sequence
from typing import Any

import msgspec

from shared.events.topics import EVENTS
from shared.eventtypes.model import EventType
from shared.kit.pointer import escape

_SCHEMA_FORMAT = "application/schema+json;version=draft-2020-12"


def asyncapi(types: Sequence[EventType]) -> dict[str, Any]:
    """The document. Each type is one message of the one channel."""
    messages = {each.type: _message(each) for each in types}
    channel = EVENTS.name
    references = {name: {"$ref": f"#/components/messages/{escape(name)}"} for name in messages}
    in_channel = [{"$ref": f"#/channels/{channel}/messages/{escape(name)}"} for name in messages]
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Millrace", "version": "1", "description": "The tenant's event types."},
        "defaultContentType": "application/cloudevents+json",
        "channels": {
            channel: {
                "address": "/v1/events",
                "description": "Sent by POST, kept in order for each partition key, stored once.",
                "messages": references,
            }
        },
        "operations": {
            "sendEvent": {"action": "send", "channel": {"$ref": f"#/channels/{channel}"}, "messages": in_channel}
        },
        "components": {"messages": messages},
    }


def _message(version: EventType) -> dict[str, Any]:
    definition = version.definition
    return {
        "name": version.type,
        "title": f"{version.type}, version {version.version}",
        "contentType": "application/json",
        "payload": {"schemaFormat": _SCHEMA_FORMAT, "schema": msgspec.json.decode(definition.schema)},
        "x-mode": definition.mode,
        "x-compatibility": definition.compatibility,
        "x-key-path": definition.key_path,
        "x-dedup-window": definition.dedup_window,
    }
