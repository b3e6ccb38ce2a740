"""Which backing a state folder has, without starting one."""

from pathlib import Path

import pytest

from millrace_harness.dev.backing import Shape, backing, folders
from millrace_harness.dev.doctor import Finding, of_part
from millrace_harness.dev.failed import Failed
from millrace_harness.dev.places import Places
from millrace_harness.parts.compose import ComposeStack
from millrace_harness.parts.part import Report
from millrace_harness.parts.supervisor import Stack


@pytest.fixture
def places(tmp_path: Path) -> Places:
    found = Places.find({"MILLRACE_CACHE": str(tmp_path / "cache")})
    return Places(found.checkout, tmp_path / "state", found.cache)


def test_where_nothing_is_asked_for_and_nothing_is_there_parts_are_native(places: Places) -> None:
    behind = backing(places)
    assert isinstance(behind.parts, Stack)
    assert [report.name for report in behind.report()][-1] == "localstack"
    assert {report.state for report in behind.report()} == {"stopped"}
    assert behind.emulator_identity == ""


def test_what_is_there_stays_as_it_is(places: Places) -> None:
    with ComposeStack(folders(places)).ledger.page() as page:
        page.complete = True
    assert isinstance(backing(places).parts, ComposeStack)
    assert isinstance(backing(places, Shape(compose=True)).parts, ComposeStack)


def test_parts_without_docker_do_not_turn_into_parts_in_docker(places: Places) -> None:
    with Stack(folders(places)).ledger.page() as page:
        page.complete = True
    with pytest.raises(Failed, match="without Docker: run localstack/dev down first"):
        backing(places, Shape(compose=True))


def test_the_number_of_brokers_is_kept(places: Places) -> None:
    with Stack(folders(places)).ledger.page() as page:
        page.complete, page.brokers = True, 3
    assert backing(places, Shape(brokers=3)).parts.ledger.read().brokers == 3
    assert backing(places).parts.ledger.read().brokers == 3


def test_a_part_that_ended_is_found_with_what_to_do() -> None:
    dead = Report(name="kafka", state="dead", pid=None, pids=(), port=1, memory_bytes=0, version="4.4.0")
    assert of_part(dead) == Finding("kafka", "dead", "see localstack/dev logs kafka, then run localstack/dev up")


def test_a_part_that_nobody_can_reach_is_found() -> None:
    deaf = Report(name="kafka", state="running", pid=1, pids=(1,), port=1, memory_bytes=0, version="4.4.0")
    found = of_part(deaf)
    assert found.state == "running, but nothing listens on 127.0.0.1:1"
    assert found.hint
