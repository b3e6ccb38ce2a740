import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from cdk.app import ROOT
from cdk.profiles import Endpoints, Pollers, Profile, ProfileError, profile_from


@pytest.fixture
def settings_file(tmp_path: Path, endpoints: Endpoints) -> Path:
    path = tmp_path / "local.json"
    path.write_text(endpoints.model_dump_json())
    return path


def changed(path: Path, **values: Any) -> dict[str, str]:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    return {"profile": "local", "local": str(path)}


def test_the_local_profile_is_read_from_the_file_that_the_context_names(
    settings_file: Path, endpoints: Endpoints
) -> None:
    profile = profile_from({"profile": "local", "local": str(settings_file)})
    assert profile.name == "local"
    assert profile.endpoints == endpoints


def test_a_profile_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(ProfileError, match="no profile 'dev': the profiles are: local"):
        profile_from({"profile": "dev"})


def test_no_profile_is_refused_with_what_to_add() -> None:
    with pytest.raises(ProfileError, match="add -c profile="):
        profile_from({})


def test_a_mistyped_context_key_is_refused(settings_file: Path) -> None:
    with pytest.raises(ProfileError, match="unknown context profil: the keys read here are profile and local"):
        profile_from({"profile": "local", "local": str(settings_file), "profil": "local"})


def test_what_the_command_line_and_cdk_json_add_is_not_refused(settings_file: Path) -> None:
    flags = json.loads((ROOT / "cdk.json").read_text())["context"]
    added = {"aws:cdk:bundling-stacks": ["**"], "aws:cdk:enable-path-metadata": False, **flags}
    assert profile_from({"profile": "local", "local": str(settings_file), **added}).name == "local"


def test_the_local_profile_without_its_file_says_who_writes_it(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="localstack/dev"):
        profile_from({"profile": "local"})
    with pytest.raises(ProfileError, match="localstack/dev up writes this file"):
        profile_from({"profile": "local", "local": str(tmp_path / "absent.json")})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("kafka_replication", "three"),
        ("kafka_bootstrap", ""),
        ("database_url", "mysql://secret@db"),
        ("redis_url", "memcached://secret"),
        ("api_key_sha256", "secret"),
        ("cursor_secret", "short"),
        ("databse_url", "postgresql://secret"),
    ],
)
def test_a_wrong_setting_is_named_and_its_value_is_not_repeated(settings_file: Path, key: str, value: str) -> None:
    with pytest.raises(ProfileError, match=f" {key}: ") as refused:
        profile_from(changed(settings_file, **{key: value}))
    assert not value or value not in str(refused.value)


def test_a_file_that_is_not_json_is_refused(settings_file: Path) -> None:
    settings_file.write_text("{")
    with pytest.raises(ProfileError, match="the file: Invalid JSON"):
        profile_from({"profile": "local", "local": str(settings_file)})


def test_a_profile_does_not_change_once_it_is_made(profile: Profile) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        profile.name = "prod"


def test_pollers_stay_within_what_aws_allows() -> None:
    with pytest.raises(ValidationError):
        Pollers(minimum=0, maximum=1)
    with pytest.raises(ValidationError, match="minimum is above maximum"):
        Pollers(minimum=3, maximum=2)


def test_the_app_ends_with_one_sentence_when_it_is_asked_for_the_impossible() -> None:
    environment = {
        **os.environ,
        "CDK_CONTEXT_JSON": json.dumps({"profile": "moon"}),
        "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
    }
    ended = subprocess.run(
        [sys.executable, "-m", "cdk.app"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == "millrace: there is no profile 'moon': the profiles are: local"
    assert "Traceback" not in ended.stderr


def test_the_command_line_is_pinned_and_its_lock_names_no_registry() -> None:
    wanted = json.loads((ROOT / "cdk" / "package.json").read_text())["dependencies"]
    lock = (ROOT / "cdk" / "package-lock.json").read_text()
    assert wanted == {"aws-cdk": "2.1148.1"}
    assert json.loads(lock)["packages"]["node_modules/aws-cdk"]["version"] == wanted["aws-cdk"]
    assert "resolved" not in lock
    assert "://" not in lock
