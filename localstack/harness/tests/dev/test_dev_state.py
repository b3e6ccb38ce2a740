"""What a state folder keeps: keys, settings, stamps, the deployment and the lines of `env`."""

import json
import shlex
import stat
import subprocess
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from millrace_harness.dev import deployment, environments
from millrace_harness.dev.deployment import Deployment
from millrace_harness.dev.environments import Environment
from millrace_harness.dev.failed import Failed
from millrace_harness.dev.keys import cursor_secret, development_key, erasure_secret, sha256, write_private
from millrace_harness.dev.places import Places
from millrace_harness.dev.variables import export_lines, variables

SETTINGS: dict[str, str | int] = {
    "kafka_bootstrap": "127.0.0.1:9092",
    "kafka_replication": 1,
    "database_url": "postgresql://u:p%20'w@127.0.0.1:1/db",
    "database_read_url": "postgresql://u:p@127.0.0.1:2/db",
    "database_direct_url": "postgresql://u:p@127.0.0.1:3/db",
    "redis_url": "redis://127.0.0.1:4/0",
}
STACK = Deployment(
    inputs="0",
    emulator="1 2",
    endpoint="http://127.0.0.1:4566",
    api_id="millrace",
    stage="local",
    functions={"ingest": "local-ingest"},
)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    checkout = tmp_path / "checkout"
    for name in ("cdk", "functions", "shared", "localstack"):
        (checkout / name).mkdir(parents=True)
        (checkout / name / "a.py").write_text("1\n")
    (checkout / "cdk.json").write_text("{}")
    (checkout / "localstack" / "requirements.txt").write_text("a==1\n")
    return Places(checkout, checkout / ".millrace" / "up", tmp_path / "cache")


def test_the_state_folder_can_be_chosen(tmp_path: Path) -> None:
    assert Places.find({}).state.parts[-2:] == (".millrace", "up")
    assert Places.find({}, state="test").state.parts[-2:] == (".millrace", "test")
    assert Places.find({"MILLRACE_STATE": str(tmp_path)}, state="test").state == tmp_path


def test_the_cache_can_be_chosen(tmp_path: Path) -> None:
    assert Places.find({"MILLRACE_CACHE": str(tmp_path), "XDG_CACHE_HOME": "/elsewhere"}).cache == tmp_path
    assert Places.find({"XDG_CACHE_HOME": str(tmp_path)}).cache == tmp_path / "millrace"
    assert Places.find({}).cache == Path.home() / ".cache" / "millrace"


def test_the_development_key_is_kept_and_for_its_owner_alone(places: Places) -> None:
    key = development_key(places)
    assert key.startswith("mr_dev_")
    assert len(key) > 40
    assert development_key(places) == key
    assert len({cursor_secret(places), erasure_secret(places), key}) == 3
    assert erasure_secret(places) == erasure_secret(places)
    assert len(sha256(key)) == 64
    for file in places.state.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_settings_are_for_their_owner_alone(places: Places) -> None:
    deployment.write_settings(places, SETTINGS)
    assert stat.S_IMODE(deployment.settings_file(places).stat().st_mode) == 0o600
    assert deployment.read_settings(places)["kafka_replication"] == "1"


def test_settings_of_nothing_say_what_to_run(places: Places) -> None:
    with pytest.raises(Failed, match="run localstack/dev up"):
        deployment.read_settings(places)


def test_inputs_change_with_every_source_and_with_the_settings(places: Places) -> None:
    deployment.write_settings(places, SETTINGS)
    seen = {deployment.inputs(places)}
    (places.checkout / "shared" / "a.py").write_text("2\n")
    seen.add(deployment.inputs(places))
    (places.checkout / "functions" / "b.py").write_text("")
    seen.add(deployment.inputs(places))
    deployment.write_settings(places, SETTINGS | {"kafka_replication": 3})
    seen.add(deployment.inputs(places))
    assert len(seen) == 4


def test_inputs_do_not_change_with_what_is_made_of_the_sources(places: Places) -> None:
    deployment.write_settings(places, SETTINGS)
    before = deployment.inputs(places)
    compiled = places.checkout / "shared" / "__pycache__" / "a.pyc"
    compiled.parent.mkdir()
    compiled.write_bytes(b"1")
    assert deployment.inputs(places) == before


def test_the_url_is_the_one_localstack_serves_without_names_to_resolve() -> None:
    assert STACK.url == "http://127.0.0.1:4566/_aws/execute-api/millrace/local"


def test_env_tells_a_shell_everything_and_nothing_else(places: Places) -> None:
    deployment.write_settings(places, SETTINGS)
    write_private(places.state / "deployment.json", json.dumps(asdict(STACK)))
    lines = export_lines(variables(places))
    shell = subprocess.run(["bash", "-c", f"{lines}env -0"], capture_output=True, text=True, check=True, env={})
    seen = dict(one.split("=", 1) for one in shell.stdout.split("\0") if "=" in one)
    assert seen["MILLRACE_URL"] == STACK.url
    assert seen["MILLRACE_TOKEN"] == development_key(places)
    assert seen["DATABASE_URL"] == SETTINGS["database_url"]
    assert seen["AWS_ENDPOINT_URL"] == STACK.endpoint
    assert all(line.startswith("export ") for line in lines.splitlines())
    assert {shlex.split(line)[1].split("=")[0] for line in lines.splitlines()} == {
        "MILLRACE_URL",
        "MILLRACE_TOKEN",
        "KAFKA_BOOTSTRAP",
        "DATABASE_URL",
        "DATABASE_READ_URL",
        "REDIS_URL",
        "AWS_ENDPOINT_URL",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_DEFAULT_REGION",
    }


def test_env_of_a_stack_that_was_taken_down_says_what_to_run(places: Places) -> None:
    write_private(places.state / "deployment.json", json.dumps(asdict(STACK)))
    deployment.forget(places)
    with pytest.raises(Failed, match="run localstack/dev up"):
        variables(places)


def test_an_environment_is_installed_when_its_stamp_is_of_its_lock(places: Places) -> None:
    wanted = Environment("one", "localstack/requirements.txt")
    assert not environments.is_installed(places, wanted)
    _pretend(places, wanted)
    assert environments.is_installed(places, wanted)
    (places.checkout / "localstack" / "requirements.txt").write_text("a==2\n")
    assert not environments.is_installed(places, wanted)


def test_an_environment_that_was_moved_is_not_installed(places: Places, tmp_path: Path) -> None:
    wanted = Environment("one", "localstack/requirements.txt")
    _pretend(places, wanted)
    places.checkout.rename(tmp_path / "elsewhere")
    moved = replace(places, checkout=tmp_path / "elsewhere")
    assert moved.python("one").exists()
    assert not environments.is_installed(moved, wanted)


def test_an_environment_whose_interpreter_is_gone_is_not_installed(places: Places) -> None:
    wanted = Environment("one", "localstack/requirements.txt")
    _pretend(places, wanted)
    places.python("one").unlink()
    places.python("one").symlink_to("gone")
    assert not environments.is_installed(places, wanted)


def _pretend(places: Places, wanted: Environment) -> None:
    places.python(wanted.name).parent.mkdir(parents=True)
    places.python(wanted.name).write_text("")
    (places.venv(wanted.name) / environments.STAMP).write_text(environments.stamp_of(places, wanted))
