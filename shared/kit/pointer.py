"""JSON Pointer (RFC 6901), as far as it is written here."""

_LONGEST_NAME = 64
_LONG = 384


def escape(name: str) -> str:
    """One reference token. A name that is long or holds control characters is cut: a pointer is no echo."""
    printable = name[:_LONGEST_NAME]
    if not printable.isprintable():
        printable = "".join(character if character.isprintable() else "?" for character in printable)
    return printable.replace("~", "~0").replace("/", "~1")


def tokens(pointer: str) -> list[str]:
    """Its reference tokens, unescaped: the names that lead from the document's root to the place."""
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]


def below(at: str, name: str) -> str:
    """The pointer to the member or element `name` of what `at` points to; `at` itself where that is long already.

    A document may nest deeper than its pointers may grow: 600 levels would make each of them 40 kB. Whoever walks down
    stays at that ancestor, so what is named is always on the way to the place.
    """
    return at if len(at) > _LONG else f"{at}/{escape(name)}"
