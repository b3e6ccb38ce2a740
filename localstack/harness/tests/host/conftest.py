import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from host_runtime import CHECKOUT, COMMAND, RUNTIME_PYTHON, MakeSpec

from millrace_harness.host import FunctionSpec, Host
from millrace_harness.parts.cache import Cache
from millrace_harness.parts.paths import default_cache

FUNCTIONS = ("lambdas.py", "broken.py", "slow_init.py")


@pytest.fixture(scope="session")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked code of the functions under test."""
    folder = tmp_path_factory.mktemp("code")
    for name in FUNCTIONS:
        shutil.copy(Path(__file__).with_name(name), folder)
    return folder


@pytest.fixture(scope="session")
def make_spec(code: Path) -> MakeSpec:
    """A function of `lambdas`, or of the module that is named."""

    def make(handler: str, *, timeout_seconds: float = 20, init_timeout_seconds: float = 10) -> FunctionSpec:
        return FunctionSpec(
            name="under-test",
            arn="arn:aws:lambda:us-east-1:012345678912:function:under-test",
            handler=handler,
            code=code,
            command=COMMAND,
            timeout_seconds=timeout_seconds,
            memory_mb=256,
            environment={"OWN": "value"},
            init_timeout_seconds=init_timeout_seconds,
        )

    return make


@pytest.fixture
def make_host(make_spec: MakeSpec, tmp_path: Path) -> Iterator[Callable[..., Host]]:
    """A host of such a function, closed after the test."""
    hosts: list[Host] = []

    def make(handler: str, *, limit: int = 1, ready: int = 0, **options: float) -> Host:
        hosts.append(Host(make_spec(handler, **options), limit=limit, log_folder=tmp_path, ready=ready))
        return hosts[-1]

    yield make
    for host in hosts:
        host.close()


@pytest.fixture(scope="session")
def rie() -> Path:
    """AWS' own Runtime Interface Emulator, which the wheel of the SAM command line brings along."""

    def fetch(folder: Path) -> None:
        lock = CHECKOUT / "localstack/harness/rie/requirements.txt"
        uv = os.environ.get("MILLRACE_UV", str(CHECKOUT / ".millrace/bootstrap/bin/uv"))
        whole = folder / "wheel"
        command = [uv, "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--python", RUNTIME_PYTHON]
        subprocess.run([*command, "--target", str(whole), "--requirement", str(lock)], check=True, timeout=300)
        shutil.copy(whole / "samcli/local/rapid/aws-lambda-rie-x86_64", folder / "aws-lambda-rie")
        (folder / "aws-lambda-rie").chmod(0o755)
        shutil.rmtree(whole)

    return Cache(default_cache(), print).entry("rie-1.170.0", fetch, what="the emulator") / "aws-lambda-rie"
