"""Suites, tools and checks: what counts as passed, and what is said otherwise."""

from pathlib import Path

import pytest

from millrace_harness.dev import suites, tools
from millrace_harness.dev.failed import Failed
from millrace_harness.dev.places import Places
from millrace_harness.dev.suites import Outcome, Suite, chosen, counts, judged, run_suite

REPORT = """<?xml version="1.0"?><testsuites><testsuite name="pytest" errors="0" failures="1" skipped="2" tests="7" />
</testsuites>"""


def test_every_suite_runs_where_none_is_named() -> None:
    assert [suite.name for suite in chosen([])] == [name for name in suites.NAMES if name != suites.CHECK]


def test_named_suites_run_in_their_own_order() -> None:
    assert [suite.name for suite in chosen(["local", "unit", "check"])] == ["unit", "local"]


def test_an_unknown_suite_is_refused_with_those_there_are() -> None:
    with pytest.raises(Failed, match=r"no suite units: the suites are check, harness, .*faults"):
        chosen(["units"])


def test_tests_are_counted_by_those_that_ran(tmp_path: Path) -> None:
    (tmp_path / "report.xml").write_text(REPORT)
    assert counts(tmp_path / "report.xml") == (5, 2)
    assert counts(tmp_path / "missing.xml") == (0, 0)


@pytest.mark.parametrize(
    ("code", "ran", "skipped", "passed", "remark"),
    [
        (0, 5, 0, True, ""),
        (0, 5, 2, True, "2 skipped"),
        (1, 5, 0, False, "failed"),
        (5, 0, 0, False, "no tests ran"),
        (0, 0, 3, False, "no tests ran, 3 skipped"),
        (2, 0, 0, False, "no tests ran"),
    ],
)
def test_a_suite_passes_when_something_ran_and_nothing_failed(
    code: int, ran: int, skipped: int, passed: bool, remark: str
) -> None:
    assert judged("unit", code, ran, skipped, 1.5) == Outcome("unit", ran, 1.5, passed, remark)


def test_a_suite_without_a_folder_has_failed(tmp_path: Path) -> None:
    places = Places(tmp_path, tmp_path / "state", tmp_path / "cache")
    outcome = run_suite(places, Suite("unit", "tests/unit"), [], {})
    assert not outcome.passed
    assert outcome.remark == "there is no folder tests/unit"


@pytest.mark.parametrize(
    ("said", "does"),
    [
        ("v20.20.2", True),
        ("v18.19.0", False),
        ('openjdk version "21.0.1" 2024', True),
        ("v9.0.0", False),
        (None, False),
    ],
)
def test_a_tool_does_from_its_lowest_major_version_on(said: str | None, does: bool) -> None:
    node = tools.Tool("node", "why", "nodejs", "Node.js", least=20)
    assert tools.does(node, said) is does


def test_a_tool_that_is_missing_is_told_with_where_it_comes_from() -> None:
    lacking = tools.Tool("no-such-tool", "the stack runs in it", "no-such-package", "Such Tool 3 or newer")
    assert tools.missing([lacking]) == [lacking]
    assert tools.version(lacking) is None
    sentence = tools.how_to_get([lacking])
    assert sentence == (
        "Missing or too old here: Such Tool 3 or newer (no-such-tool: the stack runs in it; Debian: no-such-package)."
    )


def test_where_it_is_not_ours_to_install_the_sentence_is_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # Whoever runs the tests may be root on Debian: then it would be installed.
    monkeypatch.setattr(tools, "_DEBIAN", tmp_path / "missing")
    lacking = tools.Tool("no-such-tool", "why", "no-such-package", "Such Tool")
    with pytest.raises(Failed, match="Such Tool"):
        tools.install([lacking], log=tmp_path / "log")
