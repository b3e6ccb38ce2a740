"""Keys lie where the Java client puts them."""

import base64
from pathlib import Path

from shared.adapters.kafka.placement import partition_of

VECTORS = Path(__file__).parents[1] / "samples" / "murmur2.tsv"


def test_a_thousand_keys_lie_where_the_java_client_puts_them() -> None:
    rows = [line.split("\t") for line in VECTORS.read_text().splitlines()]
    theirs = {base64.b64decode(key): int(partition) for key, partition in rows}
    assert len(rows) == 1000
    assert set(theirs.values()) == set(range(12))
    assert {key: partition_of(key, 12) for key in theirs} == theirs
