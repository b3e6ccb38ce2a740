"""JSON Pointers name a place and repeat nothing else."""

import pytest

from shared.kit.pointer import escape


@pytest.mark.parametrize(
    ("name", "token"),
    [
        ("plain", "plain"),
        ("a/b", "a~1b"),
        ("a~b", "a~0b"),
        ("~1", "~01"),
        ("", ""),
        ("tab\there", "tab?here"),
        ("é", "é"),
    ],
)
def test_a_name_becomes_a_reference_token(name: str, token: str) -> None:
    assert escape(name) == token


def test_a_long_name_is_cut() -> None:
    assert escape("x" * 1000) == "x" * 64
