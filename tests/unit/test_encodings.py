"""Content encodings: what they hold comes out exactly, and never more of it than is allowed."""

import gzip
import subprocess
import sys
import zlib

import pytest
from backports import zstd

from shared.events.encodings import MAX_PARTS, decoded
from shared.kit.errors import Fault, Invalid, Malformed, TooLarge, UnsupportedMedia

TEXT = b'{"type": "order.placed"}' * 40
LIMIT = 1000
OVER = Fault("", "too_much", "Send less.")


def decode(body: bytes, *encodings: str, limit: int = LIMIT) -> bytes:
    return decoded(body, [("content-encoding", encoding) for encoding in encodings], OVER, limit)


def refused(kind: type[Invalid], body: bytes, *encodings: str) -> list[tuple[str, str]]:
    with pytest.raises(kind) as failure:
        decode(body, *encodings)
    return [(fault.pointer, fault.code) for fault in failure.value.faults]


@pytest.mark.parametrize(
    ("encodings", "body"),
    [
        ([], TEXT),
        (["identity"], TEXT),
        ([""], TEXT),
        (["gzip"], gzip.compress(TEXT)),
        ([" GZip "], gzip.compress(TEXT)),
        (["x-gzip"], gzip.compress(TEXT)),
        (["gzip"], gzip.compress(TEXT[:100]) + gzip.compress(b"") + gzip.compress(TEXT[100:])),
        (["zstd"], zstd.compress(TEXT)),
        (["zstd"], zstd.compress(TEXT[:100]) + zstd.compress(TEXT[100:])),
    ],
)
def test_what_was_encoded_comes_out(encodings: list[str], body: bytes) -> None:
    assert decode(body, *encodings) == TEXT


@pytest.mark.parametrize(("encoding", "encode"), [("gzip", gzip.compress), ("zstd", zstd.compress)])
def test_nothing_encoded_is_nothing(encoding: str, encode: object) -> None:
    assert callable(encode)
    assert decode(encode(b""), encoding) == b""


@pytest.mark.parametrize(("encoding", "encode"), [("gzip", gzip.compress), ("zstd", zstd.compress)])
def test_the_limit_is_that_of_the_decoded_size(encoding: str, encode: object) -> None:
    assert callable(encode)
    assert decode(encode(b"x" * LIMIT), encoding) == b"x" * LIMIT
    assert refused(TooLarge, encode(b"x" * (LIMIT + 1)), encoding) == [("", "too_much")]
    assert refused(TooLarge, b"x" * (LIMIT + 1)) == [("", "too_much")]


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", TEXT),
        ("gzip", gzip.compress(TEXT)[:-1]),
        ("gzip", gzip.compress(TEXT)[:-9]),
        ("gzip", gzip.compress(TEXT) + b"more"),
        ("gzip", gzip.compress(TEXT)[:-8] + b"\0" * 8),
        ("gzip", zlib.compress(TEXT)),
        ("gzip", zstd.compress(TEXT)),
        ("zstd", TEXT),
        ("zstd", zstd.compress(TEXT)[:-1]),
        ("zstd", zstd.compress(TEXT) + b"more"),
        ("zstd", gzip.compress(TEXT)),
    ],
)
def test_what_is_not_as_its_encoding_says_is_malformed(encoding: str, body: bytes) -> None:
    assert refused(Malformed, body, encoding) == [("", "content_encoding")]


@pytest.mark.parametrize(
    "encodings",
    [["br"], ["deflate"], ["compress"], ["gzip, gzip"], ["gzip,zstd"], ["gzip", "gzip"], ["identity", "gzip"], ["*"]],
)
def test_another_encoding_or_more_than_one_is_not_read(encodings: list[str]) -> None:
    assert refused(UnsupportedMedia, gzip.compress(gzip.compress(TEXT)), *encodings) == [("", "content_encoding")]


def test_a_window_of_more_than_8_mb_is_not_opened() -> None:
    options: dict[int, int] = {zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.content_size_flag: 0}
    compressor = zstd.ZstdCompressor(options=options)
    body = compressor.compress(b"x" * 1000, zstd.ZstdCompressor.FLUSH_BLOCK) + compressor.flush()
    assert refused(Malformed, body, "zstd") == [("", "content_encoding")]


@pytest.mark.parametrize(("encoding", "encode"), [("gzip", gzip.compress), ("zstd", zstd.compress)])
def test_more_than_64_members_or_frames_are_refused_however_small(encoding: str, encode: object) -> None:
    assert callable(encode)
    assert MAX_PARTS == 64
    assert decode(encode(b"x") * MAX_PARTS, encoding) == b"x" * MAX_PARTS
    assert decode(encode(b"") * MAX_PARTS, encoding) == b""
    assert refused(Malformed, encode(b"") * (MAX_PARTS + 1), encoding) == [("", "content_encoding")]
    assert refused(Malformed, encode(b"") * 100_000, encoding) == [("", "content_encoding")]


BOMB = """
import resource, sys, zlib
from backports import zstd
from shared.events.encodings import MAX_PARTS, decoded
from shared.kit.errors import Fault, TooLarge

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

if sys.argv[1] == "gzip":
    member = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [member.compress(bytes(1 << 20)) for _ in range(1024)] + [member.flush()]
else:
    frame = zstd.ZstdCompressor()
    parts = [frame.compress(bytes(1 << 20)) for _ in range(1024)] + [frame.flush()]
bomb = b"".join(parts)
assert len(bomb) < 1_100_000, len(bomb)
limit, before = 4 << 20, peak()
try:
    decoded(bomb, [("content-encoding", sys.argv[1])], Fault("", "x", "x"), limit)
except TooLarge:
    print(peak() - before)
"""


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_bomb_of_1_gb_costs_no_more_memory_than_the_limit(encoding: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BOMB, encoding], capture_output=True, text=True, timeout=60, check=True
    )
    # The limit of 4 MiB, a slice, zstd's window of 8 MB at most, and what the allocator keeps while a buffer grows.
    assert int(done.stdout) < 16 * 1024, f"{done.stdout} KiB"
