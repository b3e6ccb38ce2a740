"""Content encodings, undone within a bound: a small body must not become a large one in memory."""

import zlib
from collections.abc import Callable, Generator, Iterator, Sequence

from backports import zstd

from shared.kit.errors import Fault, Malformed, TooLarge, UnsupportedMedia

ENCODINGS = ("gzip", "zstd")

_GZIP = 16 + zlib.MAX_WBITS
# RFC 8878, 3.1.1.1.2: decoders should take windows of 8 MB, and need not take larger ones.
_ZSTD_OPTIONS: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 23}
_SLICE = 64 * 1024

# Each hands on a copy of all that follows it: 4 MB of empty frames took a minute. Who writes in parts writes a few.
MAX_PARTS = 64

type _Part = Callable[[bytes], Generator[bytes, None, bytes]]


def decoded(body: bytes, headers: Sequence[tuple[str, str]], too_large: Fault, limit: int) -> bytes:
    """The body without its content encoding. Never holds more of it than `limit` bytes and one slice of 64 KiB.

    Raises:
        UnsupportedMedia: neither identity, gzip nor zstd, or more than one of them.
        TooLarge: more than `limit` bytes when decoded; `too_large` is its fault.
        Malformed: the bytes are not what their encoding says, end too early, go on after their end, or have more than
            64 members (gzip) or frames (zstd).
    """
    # Sent several times they are one list (RFC 9110, 5.3), and more than one encoding is not read.
    encoding = ",".join(value for name, value in headers if name == "content-encoding").strip().lower()
    if encoding in ("identity", ""):
        plain = body
    elif encoding in _PARTS:
        plain = _joined(body, encoding, limit)
    else:
        fault = Fault("", "content_encoding", f"Send one of: identity, {', '.join(ENCODINGS)}.")
        raise UnsupportedMedia("The content encoding is not read here.", faults=(fault,))
    if len(plain) > limit:
        raise TooLarge("The body is too large.", faults=(too_large,))
    return plain


def _joined(body: bytes, encoding: str, limit: int) -> bytes:
    """All that `body` holds, or a little more than `limit` bytes of it."""
    found = bytearray()
    try:
        for piece in _pieces(body, _PARTS[encoding]):
            found += piece
            if len(found) > limit:
                break
    except (zlib.error, zstd.ZstdError, EOFError):
        fault = Fault("", "content_encoding", f"This is not {encoding}, or it ends too early.")
        raise Malformed("The body is not what its content encoding says.", faults=(fault,)) from None
    return bytes(found)


def _pieces(body: bytes, part: _Part) -> Iterator[bytes]:
    """What `body` holds, in pieces of at most one slice: its parts, one after the other."""
    rest, parts = body, 0
    while rest:
        if parts == MAX_PARTS:
            fault = Fault("", "content_encoding", f"Send at most {MAX_PARTS} members or frames.")
            raise Malformed("The body is encoded in too many parts.", faults=(fault,))
        rest = yield from part(rest)
        parts += 1


def _gzip_member(body: bytes) -> Generator[bytes, None, bytes]:
    """A member of a gzip file (RFC 1952, 2.2). What follows it is returned."""
    member = zlib.decompressobj(_GZIP)
    rest = body
    while rest and not member.eof:
        yield member.decompress(rest, _SLICE)
        rest = member.unconsumed_tail
    if not member.eof:
        raise EOFError
    return member.unused_data


def _zstd_frame(body: bytes) -> Generator[bytes, None, bytes]:
    """A frame of a zstd file (RFC 8878, 3.1). What follows it is returned."""
    frame = zstd.ZstdDecompressor(options=_ZSTD_OPTIONS)
    rest = body
    while not frame.eof and (rest or not frame.needs_input):
        yield frame.decompress(rest, _SLICE)
        rest = b""
    if not frame.eof:
        raise EOFError
    return frame.unused_data


_PARTS: dict[str, _Part] = {"gzip": _gzip_member, "x-gzip": _gzip_member, "zstd": _zstd_frame}
