"""`up` and `down`: the backing, and the deployment in it."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

from millrace_harness.dev import deployment, environments
from millrace_harness.dev.backing import Backing, Shape, backing
from millrace_harness.dev.deployment import Deployment
from millrace_harness.dev.keys import cursor_secret, development_key, erasure_secret, sha256
from millrace_harness.dev.locks import alone
from millrace_harness.dev.places import Places
from millrace_harness.dev.steps import Steps, together
from millrace_harness.parts.endpoints import Endpoints

# Longer than a bring-up takes that is going to end well, on a slow line.
_PATIENCE_SECONDS = 1200


@dataclass(frozen=True, slots=True)
class Up:
    """A stack that is up. `changed` is False when this call found it so."""

    deployment: Deployment
    changed: bool


def bring_up(places: Places, steps: Steps, shape: Shape | None = None) -> Up:
    """Everything, from whatever is there; where all of it is, nothing changes.

    What was started before a step that fails keeps running, to be looked at; `down` ends it.

    Raises:
        Failed, PartFailed: a step could not be done.
    """
    with alone(places.state / "up.lock", patience_seconds=_PATIENCE_SECONDS, purpose="bringing the stack up"):
        behind = backing(places, shape)

        def parts() -> None:
            with steps.step("parts"):
                endpoints = behind.parts.up(steps.say)
            deployment.write_settings(places, _settings(places, endpoints, behind.parts.ledger.read().brokers))

        def emulator() -> None:
            with steps.step("LocalStack"):
                # A deployment that failed leaves half a stack, which the next one cannot be trusted to mend.
                before = deployment.recorded(places)
                behind.start_emulator(afresh=before is None or before.emulator != behind.emulator_identity)

        def synth() -> None:
            if not deployment.is_synthesized(places):
                with steps.step("cdk synth"):
                    deployment.synthesize(places, marked=behind.marked)

        together(parts, *_installs(places, steps))
        # A synth needs the addresses of the parts; it takes about as long as LocalStack's start.
        together(emulator, synth)
        return _deployed(places, behind, steps)


def take_down(places: Places) -> list[str]:
    """Stop all that runs for this state folder, by whomever it was started; tell what was."""
    behind = backing(places)
    running = [report.name for report in behind.report() if report.state == "running"]
    deployment.forget(places)
    behind.down()
    return running


def _deployed(places: Places, behind: Backing, steps: Steps) -> Up:
    before, identity = deployment.recorded(places), behind.emulator_identity
    if before and (before.inputs, before.emulator) == (deployment.inputs(places), identity):
        return Up(before, changed=False)
    port = behind.emulator.report().port
    with steps.step("cdk deploy"):
        now = deployment.deploy(places, endpoint=f"http://127.0.0.1:{port}", emulator=identity, marked=behind.marked)
    return Up(now, changed=True)


def _settings(places: Places, endpoints: Endpoints, brokers: int) -> dict[str, str | int]:
    return {
        **asdict(endpoints),
        "kafka_replication": brokers,
        "api_key_sha256": sha256(development_key(places)),
        "cursor_secret": cursor_secret(places),
        "erasure_secret": erasure_secret(places),
    }


def _installs(places: Places, steps: Steps) -> list[Callable[[], None]]:
    def environment(wanted: environments.Environment) -> Callable[[], None]:
        def job() -> None:
            if not environments.is_installed(places, wanted):
                with steps.step(f"environment {wanted.name}"):
                    environments.install(places, wanted)

        return job

    def command() -> None:
        if not environments.has_cdk_command(places):
            with steps.step("CDK command line"):
                environments.install_cdk_command(places)

    return [environment(environments.RUNTIME), environment(environments.CDK), command]
