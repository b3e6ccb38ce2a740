"""`cdk deploy` of the profile `local`, and what is known of the stack afterwards."""

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from millrace_harness.dev.commands import run
from millrace_harness.dev.failed import Failed
from millrace_harness.dev.keys import write_private
from millrace_harness.dev.places import Places

REGION = "us-east-1"
# Cold, a synth builds four zips: seconds here, minutes on a slow line. A deploy waits for its migration, 120 s at most.
_SYNTH_SECONDS = 600
_DEPLOY_SECONDS = 600
_SOURCES = ("cdk", "functions", "shared", "cdk.json")
_NOT_SOURCES = frozenset({"__pycache__", "node_modules"})


@dataclass(frozen=True, slots=True)
class Deployment:
    """A stack that stands. `inputs` is the hash of all it was made of, `emulator` the very LocalStack process it is in.

    `functions` gives the physical name of each function by its name here.
    """

    inputs: str
    emulator: str
    endpoint: str
    api_id: str
    stage: str
    functions: Mapping[str, str]

    @property
    def url(self) -> str:
        """Where the API is served; paths such as `/v1/events` follow it."""
        return f"{self.endpoint}/_aws/execute-api/{self.api_id}/{self.stage}"


def settings_file(places: Places) -> Path:
    """The file that tells the profile `local` where the parts stand."""
    return places.state / "local.json"


def write_settings(places: Places, settings: Mapping[str, str | int]) -> None:
    """Write that file, for its owner alone: it has passwords."""
    write_private(settings_file(places), json.dumps(dict(settings), indent=2) + "\n")


def read_settings(places: Places) -> dict[str, str]:
    """What is in it.

    Raises:
        Failed: nothing has been brought up in this state folder.
    """
    try:
        return {name: str(value) for name, value in json.loads(settings_file(places).read_text()).items()}
    except FileNotFoundError:
        raise Failed("Nothing is up here: run localstack/dev up.") from None


def recorded(places: Places) -> Deployment | None:
    """The last deployment of this state folder, whether its LocalStack still runs or not."""
    try:
        return Deployment(**json.loads((places.state / "deployment.json").read_text()))
    except FileNotFoundError:
        return None


def forget(places: Places) -> None:
    """There is no deployment any more."""
    (places.state / "deployment.json").unlink(missing_ok=True)


def inputs(places: Places) -> str:
    """The hash of all that a synth reads: sources, locks and settings."""
    whole = hashlib.sha256()
    for file in [*_sources(places.checkout), settings_file(places)]:
        content = file.read_bytes()
        name = str(file.relative_to(places.checkout)) if file.is_relative_to(places.checkout) else file.name
        whole.update(f"{name}\0{len(content)}\0".encode() + content)
    return whole.hexdigest()


def is_synthesized(places: Places) -> bool:
    """Whether there is a cloud assembly of the inputs as they are now."""
    stamp = _stamp(places)
    whole = stamp.exists() and (_assembly(places) / "manifest.json").exists()
    return whole and stamp.read_text() == inputs(places)


def synthesize(places: Places, *, marked: Mapping[str, str]) -> None:
    """Make the cloud assembly. `marked` are the variables by which `down` finds what a killed `up` has left.

    Raises:
        Failed: the app says no, or a bundle cannot be built.
    """
    wanted, stamp = inputs(places), _stamp(places)
    stamp.unlink(missing_ok=True)
    context = ["--context", "profile=local", "--context", f"local={settings_file(places)}"]
    command: list[str | Path] = [
        _cdk(places),
        "synth",
        "**",
        "--quiet",
        "--no-notices",
        "--output",
        _assembly(places),
        *context,
    ]
    log = places.logs / "synth.log"
    run(
        command,
        what="cdk synth",
        log=log,
        seconds=_SYNTH_SECONDS,
        environment={**_variables(places), **marked},
        folder=places.checkout,
    )
    stamp.write_text(wanted)


def deploy(places: Places, *, endpoint: str, emulator: str, marked: Mapping[str, str]) -> Deployment:
    """Deploy the assembly into the LocalStack at `endpoint`, and record it. `marked` is as for `synthesize`.

    Raises:
        Failed: CloudFormation says no.
    """
    forget(places)
    made_of = _stamp(places).read_text()
    answers, log = places.state / "outputs.json", places.logs / "deploy.log"
    answers.unlink(missing_ok=True)
    command: list[str | Path] = [_cdk(places), "deploy", "**", "--app", _assembly(places), "--outputs-file", answers]
    command += ["--require-approval", "never", "--no-notices", "--method", "direct", "--progress", "events"]
    run(
        command,
        what="cdk deploy",
        log=log,
        seconds=_DEPLOY_SECONDS,
        environment={**_variables(places), **aws_variables(endpoint), **marked},
        folder=places.state,
    )
    outputs = {name: value for stack in json.loads(answers.read_text()).values() for name, value in stack.items()}
    if not {"ApiId", "ApiStage"} <= outputs.keys():
        raise Failed("cdk deploy ended without the stack's outputs: run localstack/dev up again.", log=log)
    deployment = Deployment(
        inputs=made_of,
        emulator=emulator,
        endpoint=endpoint,
        api_id=outputs["ApiId"],
        stage=outputs["ApiStage"],
        functions=_functions(outputs),
    )
    write_private(places.state / "deployment.json", json.dumps(asdict(deployment), indent=2) + "\n")
    return deployment


def aws_variables(endpoint: str) -> dict[str, str]:
    """What makes an AWS client talk to LocalStack and to nothing else."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
    }


def _variables(places: Places) -> dict[str, str]:
    return {
        "PATH": f"{places.venv('cdk') / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONSAFEPATH": "",  # the app is a module of the checkout
        "MILLRACE_UV": str(places.uv),
        "CDK_DISABLE_CLI_TELEMETRY": "1",
        "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": _node_major(),
        # A person's own AWS settings must not lead anywhere else.
        "AWS_PROFILE": "",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def _node_major() -> str:
    node = shutil.which("node")
    if not node:
        raise Failed("Node.js is not on PATH: install Node.js 20 or newer.")
    said = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=False).stdout
    number = re.search(r"\d+", said)
    return number[0] if number else ""


def _cdk(places: Places) -> Path:
    return places.node / "node_modules" / ".bin" / "cdk"


def _assembly(places: Places) -> Path:
    return places.state / "cdk.out"


def _functions(outputs: Mapping[str, str]) -> dict[str, str]:
    names = (name for name in outputs if name.endswith("Function"))
    return {name.removesuffix("Function").lower(): outputs[name] for name in names}


def _stamp(places: Places) -> Path:
    return places.state / "cdk.out.inputs"


def _sources(checkout: Path) -> Iterator[Path]:
    for name in _SOURCES:
        top = checkout / name
        files = sorted(top.rglob("*")) if top.is_dir() else [top]
        yield from (file for file in files if file.is_file() and _NOT_SOURCES.isdisjoint(file.parts))
