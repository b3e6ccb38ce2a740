"""The only place where names in the spool's bucket are written."""

PREFIX = "spool/"
UNREADABLE = "spool-unreadable/"


def object_name(id_: str) -> str:
    """The name of an object, from an id that sorts by time (UUID version 7)."""
    return f"{PREFIX}{id_}.ndjson.zst"
