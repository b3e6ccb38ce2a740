"""Cursors can be kept and sent back, and neither made nor changed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kit.cursor import CursorSigner
from shared.kit.errors import Malformed

SIGNER = CursorSigner("a secret")


@given(st.binary())
def test_what_was_sealed_is_opened(payload: bytes) -> None:
    assert SIGNER.open(SIGNER.seal(payload)) == payload


@given(st.binary())
def test_a_cursor_goes_into_an_address_as_it_is(payload: bytes) -> None:
    assert all(character.isalnum() or character in "-_" for character in SIGNER.seal(payload))


@given(st.binary(), st.data())
def test_a_changed_cursor_is_refused(payload: bytes, data: st.DataObject) -> None:
    sealed = SIGNER.seal(payload)
    at = data.draw(st.integers(0, len(sealed) - 2))  # the last character may hold bits that mean nothing
    other = data.draw(st.sampled_from("Aa0-_").filter(lambda character: character != sealed[at]))
    with pytest.raises(Malformed):
        SIGNER.open(sealed[:at] + other + sealed[at + 1 :])


@given(st.text(max_size=60))
def test_a_made_up_cursor_is_refused(text: str) -> None:
    with pytest.raises(Malformed) as refused:
        SIGNER.open(text)
    assert refused.value.faults[0].pointer == "/cursor"


def test_a_cursor_of_another_secret_is_refused() -> None:
    with pytest.raises(Malformed):
        SIGNER.open(CursorSigner("another secret").seal(b"payload"))
