"""The two that are compared, as they are deployed: zips by the same rules, unpacked as Lambda unpacks them."""

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

from cdk.parts.bundling import Bundle, Bundler
from loadtest.cpu.payloads import KEY
from millrace_harness.dev.environments import RUNTIME, install
from millrace_harness.dev.places import Places
from millrace_harness.host.function import FunctionSpec
from millrace_harness.host.variables import variables
from millrace_harness.parts.endpoints import Endpoints
from shared.runtime.settings import IngestSettings, Settings

ROOT = Path(__file__).parents[2]
MEMORY_MB = 1769  # one whole vCPU
TIMEOUT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Contestant:
    """One of the two: its unpacked code, how it is started, and how large its package is."""

    name: str
    handler: str
    code: Path
    python: Path
    environment: Mapping[str, str]
    zip_bytes: int
    unpacked_bytes: int


@dataclass(frozen=True, slots=True)
class Pair:
    """A function of ours and its twin. `asks` is what the twin is told, `services` are those of AWS that it uses."""

    function: str
    settings: type[Settings]
    twin: Path
    asks: tuple[str, ...]
    services: frozenset[str] = frozenset()


INGEST = Pair(
    "ingest",
    IngestSettings,
    ROOT / "loadtest/naive",
    ("KAFKA_BOOTSTRAP", "API_KEY_SHA256"),
    frozenset({"secretsmanager"}),
)


def contestants(endpoints: Endpoints, folder: Path, wheels: str, pair: Pair = INGEST) -> tuple[Contestant, Contestant]:
    """Ours and the naive twin, built into `folder` for `wheels` (a platform in uv's words).

    Raises:
        BundlingError: a zip could not be built.
        Failed: the runtime's environment could not be installed.
    """
    places = Places.find()
    install(places, RUNTIME)
    os.environ.setdefault("MILLRACE_UV", str(places.uv))  # the bundler's, where none is on PATH
    python = places.python(RUNTIME.name)
    known = _environment(endpoints)
    name = pair.function
    ours = Bundler(root=ROOT, cache=places.home / "bundles", wheels=wheels).bundles([name])[name]
    told = {name: known[name] for name in pair.settings.environment_names() if name in known}
    checkout = _as_a_function(pair.twin, folder / "checkout")
    bundler = Bundler(root=checkout, cache=folder / "bundles", wheels=wheels, services=pair.services)
    naive = bundler.bundles(["naive"])["naive"]
    twin = _contestant("naive", naive, folder, python, {name: known[name] for name in pair.asks})
    return _contestant(name, ours, folder, python, told), twin


def _environment(endpoints: Endpoints) -> dict[str, str]:
    """Every value that any of them may ask for. No AWS is there: what is measured never comes to need it."""
    return {
        "KAFKA_BOOTSTRAP": endpoints.kafka_bootstrap,
        "REDIS_URL": endpoints.redis_url,
        "DATABASE_URL": endpoints.database_url,
        "DATABASE_READ_URL": endpoints.database_read_url,
        "SPOOL_BUCKET": "no-such-bucket",
        "API_KEY_SHA256": hashlib.sha256(KEY.encode()).hexdigest(),
    }


def _as_a_function(twin: Path, checkout: Path) -> Path:
    """A checkout with the twin as its one function, for the bundler's rules to be the same."""
    shutil.rmtree(checkout, ignore_errors=True)
    functions = checkout / "functions"
    others = shutil.ignore_patterns("__pycache__", "*.md", "persist")
    shutil.copytree(twin, functions / "naive", ignore=others)
    (functions / "__init__.py").touch()
    return checkout


def _contestant(name: str, bundle: Bundle, folder: Path, python: Path, told: Mapping[str, str]) -> Contestant:
    code = folder / "unpacked" / f"{name}-{bundle.digest}"
    if not code.exists():
        unfinished = code.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        with ZipFile(bundle.path) as archive:
            archive.extractall(unfinished)
        unfinished.rename(code)
    handler = f"functions.{name}.handler.handler"
    spec = FunctionSpec(
        name=f"benchmark-{name}",
        arn=f"arn:aws:lambda:us-east-1:000000000000:function:benchmark-{name}",
        handler=handler,
        code=code,
        command=(str(python),),
        timeout_seconds=TIMEOUT_SECONDS,
        memory_mb=MEMORY_MB,
        environment={
            "POWERTOOLS_SERVICE_NAME": name,
            "POWERTOOLS_METRICS_NAMESPACE": "Benchmark",
            "POWERTOOLS_LOG_LEVEL": "INFO",
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
            **told,
        },
    )
    environment = variables(spec, "127.0.0.1:9", log_stream="benchmark") | {"PYTHONSAFEPATH": "1"}
    unpacked = sum(
        file.stat().st_size for file in code.rglob("*") if file.is_file() and "__pycache__" not in file.parts
    )
    return Contestant(name, handler, code, python, environment, bundle.path.stat().st_size, unpacked)
