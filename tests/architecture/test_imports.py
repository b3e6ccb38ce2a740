"""What an environment pays for before its first request: the handlers' imports, as a fresh process makes them."""

import json
import subprocess
import sys

import pytest

from functions.catalog import FUNCTIONS
from tests.architecture.checkout import ROOT

# 0.3 s of CPU, and nobody needs them before the first object. (`botocore` itself is a millisecond: Powertools asks it
# for its version.)
_AWS = {"boto3", "botocore.session", "botocore.client"}
_SQL = {"sqlalchemy", "asyncpg"}  # 0.4 s
_WEB = {"fastapi", "starlette", "mangum", "pydantic"}
_BROKER = {"aiokafka"}
_NOT = {
    "ingest": _AWS | _SQL,
    "query": _AWS | _BROKER,
    "manage": _AWS | _BROKER,
    "persist": _AWS | _BROKER | _WEB,
    "bury": _AWS | _BROKER | _WEB | {"redis"},
    "drain": _AWS | _SQL | _WEB,
    "jobs": _AWS | _WEB,
    "migrate": _AWS | _WEB,
    "maintain": _AWS | _WEB | {"alembic"},
}
_VARIABLES = {
    "API_KEY_SHA256": "0" * 64,
    "CONNECTION_BUDGET": "1",
    "CURSOR_SECRET": "secret",
    "DATABASE_URL": "postgresql://user:word@127.0.0.1:1/name",
    "DATABASE_READ_URL": "postgresql://user:word@127.0.0.1:1/name",
    "DATABASE_DIRECT_URL": "postgresql://user:word@127.0.0.1:1/name",
    "ERASURE_SECRET": "secret",
    "JOBS_QUEUE_URL": "http://127.0.0.1:1/jobs",
    "KAFKA_BOOTSTRAP": "127.0.0.1:1",
    "KAFKA_REPLICATION": "1",
    "REDIS_URL": "redis://127.0.0.1:1",
    "SPOOL_BUCKET": "spool",
    "POWERTOOLS_SERVICE_NAME": "tests",
    "POWERTOOLS_METRICS_NAMESPACE": "tests",
}


@pytest.mark.parametrize("name", [function.name for function in FUNCTIONS])
def test_a_handler_imports_nothing_that_its_first_request_may_not_need(name: str) -> None:
    statement = f"import sys, json, functions.{name}.handler; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", statement],
        cwd=ROOT,
        env={**_VARIABLES, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    imported = set(json.loads(done.stdout))
    assert f"functions.{name}.wiring" in imported
    assert imported & _NOT[name] == set()
