"""Keys lie where the Java client puts them."""

import base64
from pathlib import Path

import pytest

from shared.adapters.kafka.placement import partitions_of

VECTORS = Path(__file__).parents[1] / "samples" / "murmur2.tsv"


@pytest.fixture
def theirs() -> list[tuple[bytes, int]]:
    """A thousand keys, and where they lie."""
    rows = [line.split("\t") for line in VECTORS.read_text().splitlines()]
    assert len(rows) == 1000
    assert {int(partition) for _, partition in rows} == set(range(12))
    return [(base64.b64decode(key), int(partition)) for key, partition in rows]


def test_a_thousand_keys_lie_where_the_java_client_puts_them(theirs: list[tuple[bytes, int]]) -> None:
    assert [(key, *partitions_of([key], 12)) for key, _ in theirs] == theirs


def test_they_lie_there_too_when_many_are_looked_at_together(theirs: list[tuple[bytes, int]]) -> None:
    assert partitions_of([key for key, _ in theirs], 12) == [partition for _, partition in theirs]


@pytest.mark.parametrize("length", [*range(10), 63, 64, 65, 66])
def test_keys_of_every_length_lie_together_where_they_lie_alone(length: int) -> None:
    keys = [bytes((number * 37 + place * 101 + 251) % 256 for place in range(length)) for number in range(50)]
    assert partitions_of(keys, 12) == [partitions_of([key], 12)[0] for key in keys]


def test_the_largest_words_do_not_spill_into_their_neighbours() -> None:
    keys = [b"\xff" * 12, b"\0" * 12] * 20
    assert partitions_of(keys, 1_000_003) == [partitions_of([key], 1_000_003)[0] for key in keys]
