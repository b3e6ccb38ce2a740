"""JSON Pointers name a place and repeat nothing else."""

import pytest

from shared.kit.pointer import below, escape, tokens


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


@pytest.mark.parametrize("names", [[], ["a"], ["a", ""], ["a/b", "~1", "~01", "é"]])
def test_the_tokens_of_a_pointer_are_the_names_it_was_made_of(names: list[str]) -> None:
    at = ""
    for name in names:
        at = below(at, name)
    assert tokens(at) == names


def test_a_long_name_is_cut() -> None:
    assert escape("x" * 1000) == "x" * 64


def test_a_pointer_grows_by_one_token() -> None:
    assert below("/data", "a/b") == "/data/a~1b"


def test_a_pointer_into_the_deep_stays_at_an_ancestor() -> None:
    at = ""
    for _ in range(1000):
        at = below(at, "~" * 64)
    assert len(at) < 600
    assert at == "/" + "/".join(["~0" * 64] * at.count("/"))
    assert below(at, "x") == at
