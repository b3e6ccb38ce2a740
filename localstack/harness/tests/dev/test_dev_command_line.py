"""`localstack/dev` itself, as far as it goes without installing anything, and the parser behind it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from millrace_harness.dev import __main__ as command_line
from millrace_harness.dev.__main__ import parse
from millrace_harness.dev.failed import Failed
from millrace_harness.dev.verbs import VERBS

CHECKOUT = Path(__file__).resolve().parents[4]
DEV = CHECKOUT / "localstack" / "dev"


def dev(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [DEV, *arguments], capture_output=True, text=True, timeout=60, env={**os.environ, **environment}, check=False
    )


def test_help_is_a_table_of_every_verb() -> None:
    answer = dev("--help")
    assert answer.returncode == 0
    assert [line.split()[0] for line in answer.stdout.splitlines() if line.startswith("  ")] == list(VERBS)


@pytest.mark.parametrize("arguments", [(), ("nonsense",), ("DEMO",)])
def test_an_unknown_verb_exits_with_2_and_the_table(arguments: tuple[str, ...]) -> None:
    answer = dev(*arguments)
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert "usage: localstack/dev <verb>" in answer.stderr


def test_without_python_313_one_sentence_names_every_way_to_it(tmp_path: Path) -> None:
    for program in ("bash", "dirname", "cat"):
        (tmp_path / program).symlink_to(str(shutil.which(program)))
    answer = dev("up", PATH=str(tmp_path), HOME=str(tmp_path), MILLRACE_PYTHON="", XDG_CACHE_HOME=str(tmp_path))
    assert answer.returncode == 1
    assert answer.stdout == ""
    (sentence,) = answer.stderr.strip().splitlines()
    for way in ("MILLRACE_PYTHON", "python3.13 on PATH", "pyenv install 3.13", "uv python install 3.13"):
        assert way in sentence


def test_a_python_that_is_there_and_does_not_run_is_passed_over(tmp_path: Path) -> None:
    for program in ("bash", "dirname", "cat"):
        (tmp_path / program).symlink_to(str(shutil.which(program)))
    shim = tmp_path / "python3.13"
    shim.write_text("#!/bin/bash\necho 'no such version' >&2\nexit 127\n")
    shim.chmod(0o755)
    answer = dev("up", PATH=str(tmp_path), HOME=str(tmp_path), MILLRACE_PYTHON=str(shim), XDG_CACHE_HOME=str(tmp_path))
    assert answer.returncode == 1
    assert "Python 3.13 is needed and none runs" in answer.stderr


def test_the_first_step_needs_nothing_but_the_standard_library() -> None:
    source = CHECKOUT / "localstack" / "harness" / "src"
    code = f"import sys; sys.path.append({str(source)!r}); import millrace_harness.dev.prepare"
    answer = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert answer.stderr == ""
    assert answer.returncode == 0


def test_ci_runs_the_tests_and_nothing_else() -> None:
    lines = (CHECKOUT / ".ci" / "run").read_text().splitlines()
    assert lines[-1].startswith("exec ")
    assert lines[-1].endswith('/../localstack/dev" test')
    assert len(lines) == 3


def test_what_follows_two_dashes_is_kept_for_pytest() -> None:
    options = parse(["test", "unit", "local", "--", "-k", "batch", "-x"])
    assert options.suites == ["unit", "local"]
    assert options.arguments == ["-k", "batch", "-x"]


@pytest.mark.parametrize("arguments", [["up", "--brokers", "2"], ["env", "--", "-k"], ["down", "now"], []])
def test_arguments_that_make_no_sense_exit_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        parse(arguments)
    assert exited.value.code == 2
    assert "usage: localstack/dev" in capsys.readouterr().err


def test_a_failure_is_one_sentence_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Replaced because every real verb that fails like this needs a stack.
    monkeypatch.setitem(VERBS, "up", _fail)
    monkeypatch.setenv("MILLRACE_STATE", str(tmp_path))
    monkeypatch.delenv("MILLRACE_DEBUG", raising=False)
    assert command_line.main(["up"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "millrace: Kafka is away: start it. The log is kafka.log\n"


def test_a_fault_that_nobody_foresaw_is_one_sentence_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(VERBS, "up", lambda *_: int("x"))
    monkeypatch.setenv("MILLRACE_STATE", str(tmp_path))
    monkeypatch.delenv("MILLRACE_DEBUG", raising=False)
    assert command_line.main(["up"]) == 1
    (sentence,) = capsys.readouterr().err.splitlines()
    assert sentence.startswith("millrace: up broke off, ValueError(")
    assert sentence.endswith("MILLRACE_DEBUG=1 shows where.")


def test_debugging_gives_the_traceback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(VERBS, "up", _fail)
    monkeypatch.setenv("MILLRACE_STATE", str(tmp_path))
    monkeypatch.setenv("MILLRACE_DEBUG", "1")
    with pytest.raises(Failed):
        command_line.main(["up"])


def test_env_of_nothing_says_what_to_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MILLRACE_STATE", str(tmp_path))
    monkeypatch.delenv("MILLRACE_DEBUG", raising=False)
    assert command_line.main(["env"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "run localstack/dev up" in shown.err


def _fail(*_: object) -> int:
    raise Failed("Kafka is away: start it.", log=Path("kafka.log"))
