"""What Authenticator promises. There is one so far; the next joins this suite."""

import hashlib

import pytest

from shared.access.development_key import DevelopmentKey
from shared.access.model import Principal
from shared.access.ports import Authenticator
from shared.kit.errors import Unauthenticated

KEY = "mr_dev_s3cret"


@pytest.fixture
def access() -> Authenticator:
    """One that knows KEY."""
    return DevelopmentKey(hashlib.sha256(KEY.encode()).hexdigest(), tenant="tests")


@pytest.mark.parametrize("header", [f"Bearer {KEY}", f"bearer {KEY}", f"BEARER  {KEY} "])
async def test_a_known_credential_has_a_principal(access: Authenticator, header: str) -> None:
    assert await access.authenticate(header) == Principal(name="development-key", tenant="tests", operator=True)


@pytest.mark.parametrize(
    "header", [None, "", KEY, "Bearer", "Bearer ", f"Basic {KEY}", f"Bearer {KEY}x", f"Bearer {KEY[:-1]}", "Bearer é\0"]
)
async def test_no_or_an_unknown_credential_is_unauthenticated(access: Authenticator, header: str | None) -> None:
    with pytest.raises(Unauthenticated) as refused:
        await access.authenticate(header)
    assert KEY[:-1] not in repr((refused.value.detail, refused.value.faults))
