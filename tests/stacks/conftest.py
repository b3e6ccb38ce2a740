"""One synthesis a session, validated against CloudFormation's schemas, and one set of real bundles for who asks."""

import json
import shutil
from pathlib import Path
from zipfile import ZipFile

import aws_cdk as core
import pytest

from cdk.app import ROOT, build
from cdk.parts.bundling import Bundle, Bundler
from cdk.profiles import Endpoints, Profile, local
from functions.catalog import FUNCTIONS
from tests.stacks.template import Template

CONTEXT = json.loads((ROOT / "cdk.json").read_text())["context"]
STRICT = {"@aws-cdk/core:validateAgainstDefaultRules": True}


def synthesize(profile: Profile, bundles: dict[str, Bundle], folder: Path) -> Template:
    """What the command line would deploy. Raises if CloudFormation would refuse the template."""
    app = core.App(
        outdir=str(folder),
        context={**CONTEXT, **STRICT},
        tree_metadata=False,
        analytics_reporting=False,
        builtin_cloud_formation_validation=True,
    )
    stage = build(app, profile, bundles)
    app.synth()
    (path,) = folder.glob(f"assembly-{stage.node.id}/*.template.json")
    return Template(json.loads(path.read_text()))


@pytest.fixture(scope="session")
def endpoints() -> Endpoints:
    """Where no part stands: synthesis connects to nothing."""
    return Endpoints(
        kafka_bootstrap="127.0.0.1:19092",
        kafka_replication=1,
        database_url="postgresql://millrace:p@127.0.0.1:16432/millrace",
        database_read_url="postgresql://millrace:p@127.0.0.1:16433/millrace",
        database_direct_url="postgresql://millrace:p@127.0.0.1:15432/millrace",
        redis_url="redis://127.0.0.1:16379/0",
        api_key_sha256="0" * 64,
        cursor_secret="c" * 32,
        erasure_secret="e" * 32,
    )


@pytest.fixture(scope="session")
def profile(endpoints: Endpoints) -> Profile:
    return local(endpoints)


@pytest.fixture(scope="session")
def empty_bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    """Bundles without content: the template knows them by their digest alone."""
    path = tmp_path_factory.mktemp("empty") / "bundle.zip"
    with ZipFile(path, "w"):
        pass
    return {row.name: Bundle(path, f"digest-of-{row.name}") for row in FUNCTIONS}


@pytest.fixture(scope="session")
def template(profile: Profile, empty_bundles: dict[str, Bundle], tmp_path_factory: pytest.TempPathFactory) -> Template:
    return synthesize(profile, empty_bundles, tmp_path_factory.mktemp("assembly"))


@pytest.fixture(scope="session")
def bundler(profile: Profile, tmp_path_factory: pytest.TempPathFactory) -> Bundler:
    """Over a copy of the sources, so that an edit during the run is not taken for a build that differs."""
    checkout = tmp_path_factory.mktemp("checkout")
    for folder in ("functions", "shared"):
        shutil.copytree(ROOT / folder, checkout / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return Bundler(root=checkout, cache=tmp_path_factory.mktemp("bundles"), wheels=profile.wheels)


@pytest.fixture(scope="session")
def bundles(bundler: Bundler) -> dict[str, Bundle]:
    """The real ones, of every function."""
    return bundler.bundles(row.name for row in FUNCTIONS)
