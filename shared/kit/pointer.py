"""JSON Pointer (RFC 6901), as far as it is written here."""

_LONGEST_NAME = 64


def escape(name: str) -> str:
    """One reference token. A name that is long or holds control characters is cut: a pointer is no echo."""
    printable = "".join(character if character.isprintable() else "?" for character in name[:_LONGEST_NAME])
    return printable.replace("~", "~0").replace("/", "~1")
