"""Media types, as far as they decide how a body is read."""

import re
from collections.abc import Iterable, Sequence

from shared.kit.errors import Fault, UnsupportedMedia

PLAIN = "application/json"
STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
LINES = "application/x-ndjson"

_CHARSET = re.compile(r';\s*charset\s*=\s*"?([^\s";]+)')
UTF8 = (None, "utf-8", "utf8", "us-ascii")
"""Charsets, in lower case, of what can be read as UTF-8."""


def content_type_of(headers: Sequence[tuple[str, str]]) -> str | None:
    """The content type, if one was sent.

    Raises:
        UnsupportedMedia: several were sent. A part on the way may have believed another of them.
    """
    values = [value for name, value in headers if name == "content-type"]
    if len(values) > 1:
        raise UnsupportedMedia("The content type is not clear.", faults=(Fault("", "content_type", "Send one only."),))
    return values[0] if values else None


def media_type_of(content_type: str | None) -> str:
    """The type without its parameters, in lower case; "" where none is given."""
    return (content_type or "").partition(";")[0].strip().lower()


def charset_of(content_type: str | None) -> str | None:
    """The charset parameter in lower case, if there is one."""
    match = _CHARSET.search((content_type or "").lower())
    return match[1] if match else None


def is_json(media_type: str) -> bool:
    """Whether data of this type is JSON (CloudEvents JSON format, 3.1)."""
    return media_type in ("application/json", "text/json") or media_type.endswith("+json")


def is_text(media_type: str) -> bool:
    """Whether data of this type is text."""
    return media_type.startswith("text/")


def require(content_type: str | None, readable: Iterable[str]) -> str:
    """The media type, if it is one of `readable` and its charset is UTF-8.

    Raises:
        UnsupportedMedia: it is not.
    """
    media_type = media_type_of(content_type)
    # A comma: a gateway has made one header of several.
    if media_type not in readable or charset_of(content_type) not in UTF8 or "," in (content_type or ""):
        fault = Fault("", "content_type", f"Send {' or '.join(readable)}, in UTF-8.")
        raise UnsupportedMedia("The content type is not read here.", faults=(fault,))
    return media_type
