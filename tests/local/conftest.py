"""Everything here goes through the API Gateway URL of a deployed LocalStack."""

from tests.fixtures.deployment import api, ledger, parts, spool, url

__all__ = ["api", "ledger", "parts", "spool", "url"]
