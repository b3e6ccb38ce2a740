"""Everything here takes a part away from a deployed LocalStack, and gives it back."""

from tests.fixtures.deployment import api, ledger, parts, spool, url

__all__ = ["api", "ledger", "parts", "spool", "url"]
