"""Content encodings, undone within a bound: a small body must not become a large one in memory."""

import zlib
from collections.abc import Sequence

from backports import zstd

from shared.kit.errors import Fault, Malformed, TooLarge, UnsupportedMedia

ENCODINGS = ("gzip", "zstd")

_GZIP = 16 + zlib.MAX_WBITS
# RFC 8878, 3.1.1.1.2: decoders should take windows of 8 MB, and need not take larger ones.
_ZSTD_OPTIONS: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 23}
_SLICE = 64 * 1024

# Each hands on a copy of all that follows it: 4 MB of empty frames took a minute. Who writes in parts writes a few.
MAX_PARTS = 64


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
    elif encoding in ("gzip", "x-gzip"):
        plain = _gunzip(body, too_large, limit)
    elif encoding == "zstd":
        plain = _unzstd(body, too_large, limit)
    else:
        fault = Fault("", "content_encoding", f"Send one of: identity, {', '.join(ENCODINGS)}.")
        raise UnsupportedMedia("The content encoding is not read here.", faults=(fault,))
    if len(plain) > limit:
        raise TooLarge("The body is too large.", faults=(too_large,))
    return plain


def _gunzip(body: bytes, too_large: Fault, limit: int) -> bytes:
    """All members of a gzip file (RFC 1952, 2.2), one after the other."""
    found = bytearray()
    rest = body
    parts = 0
    try:
        while rest:
            member = zlib.decompressobj(_GZIP)
            while rest and not member.eof:
                found += member.decompress(rest, _SLICE)
                rest = member.unconsumed_tail
                if len(found) > limit:
                    raise TooLarge("The body is too large.", faults=(too_large,))
            if not member.eof:
                raise _not_as_said("gzip")
            rest = member.unused_data
            parts += 1
            if rest and parts == MAX_PARTS:
                raise _too_many("members")
    except zlib.error:
        raise _not_as_said("gzip") from None
    return bytes(found)


def _unzstd(body: bytes, too_large: Fault, limit: int) -> bytes:
    """All frames of a zstd file (RFC 8878, 3.1), one after the other."""
    found = bytearray()
    rest = body
    parts = 0
    try:
        while rest:
            frame = zstd.ZstdDecompressor(options=_ZSTD_OPTIONS)
            while not frame.eof and (rest or not frame.needs_input):
                found += frame.decompress(rest, _SLICE)
                rest = b""
                if len(found) > limit:
                    raise TooLarge("The body is too large.", faults=(too_large,))
            if not frame.eof:
                raise _not_as_said("zstd")
            rest = frame.unused_data
            parts += 1
            if rest and parts == MAX_PARTS:
                raise _too_many("frames")
    except zstd.ZstdError:
        raise _not_as_said("zstd") from None
    return bytes(found)


def _not_as_said(encoding: str) -> Malformed:
    fault = Fault("", "content_encoding", f"This is not {encoding}, or it ends too early.")
    return Malformed("The body is not what its content encoding says.", faults=(fault,))


def _too_many(parts: str) -> Malformed:
    fault = Fault("", "content_encoding", f"Send at most {MAX_PARTS} {parts}.")
    return Malformed("The body is encoded in too many parts.", faults=(fault,))
