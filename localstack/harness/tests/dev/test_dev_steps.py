"""Step lines, work side by side, locks and commands."""

import io
import sys
import threading
from pathlib import Path

import pytest

from millrace_harness.dev import steps as module
from millrace_harness.dev.commands import last_words, run
from millrace_harness.dev.failed import Failed
from millrace_harness.dev.locks import alone
from millrace_harness.dev.steps import Steps, together


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_without_a_terminal_lines_are_plain() -> None:
    paper = io.StringIO()
    with Steps(paper) as steps, steps.step("cdk deploy"):
        steps.say("Kafka is ready")
    said, ended = paper.getvalue().splitlines()
    assert said.strip() == "Kafka is ready"
    assert ended.endswith("s  cdk deploy")
    assert "\x1b" not in paper.getvalue()
    assert "\r" not in paper.getvalue()


def test_without_a_terminal_a_slow_step_is_told_once_while_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    # Any step is slow now, so that the test need not be.
    monkeypatch.setattr(module, "SLOW_SECONDS", 0.0)
    told = threading.Event()

    class Paper(io.StringIO):
        def write(self, text: str) -> int:
            if "…" in text:
                told.set()
            return super().write(text)

    paper = Paper()
    with Steps(paper) as steps, steps.step("environment cdk"):
        assert told.wait(20)
    lines = paper.getvalue().splitlines()
    assert [line.split()[0] for line in lines].count("…") == 1
    assert lines[-1].endswith("s  environment cdk")


def test_on_a_terminal_the_last_line_is_wiped() -> None:
    paper = Terminal()
    with Steps(paper) as steps, steps.step("cdk synth"):
        pass
    assert paper.getvalue().endswith("\r\x1b[K")


def test_a_step_that_fails_is_marked_and_fails() -> None:
    paper = io.StringIO()
    with Steps(paper) as steps, pytest.raises(Failed), steps.step("cdk deploy"):
        raise Failed("no")
    assert paper.getvalue().strip().endswith("failed: cdk deploy")


def test_work_side_by_side_meets() -> None:
    both = threading.Barrier(2)
    together(lambda: both.wait(20), lambda: both.wait(20))
    assert not both.broken


def test_the_first_failure_is_raised_when_the_others_have_ended() -> None:
    failing, ended = threading.Event(), threading.Event()

    def fail() -> None:
        failing.set()
        raise Failed("first")

    def end() -> None:
        assert failing.wait(20)
        ended.set()

    with pytest.raises(Failed, match="first"):
        together(end, fail)
    assert ended.is_set()


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    lock = tmp_path / "deep" / "up.lock"
    second = alone(lock, purpose="up", patience_seconds=0)
    with alone(lock, purpose="up", patience_seconds=0), pytest.raises(Failed, match="let it end, or stop it"), second:
        pass
    with alone(lock, purpose="up", patience_seconds=0):
        assert lock.exists()


def test_a_command_gives_what_it_wrote_and_keeps_it(tmp_path: Path) -> None:
    log = tmp_path / "steps" / "a.log"
    said = run([sys.executable, "-c", "print('hello')"], what="Greeting", log=log, seconds=60)
    assert said == log.read_text() == "hello\n"


def test_a_failing_command_is_one_sentence_with_its_last_words_and_its_log(tmp_path: Path) -> None:
    log, code = tmp_path / "a.log", "import sys; print('first'); sys.exit('no such bucket')"
    with pytest.raises(Failed) as failed:
        run([sys.executable, "-c", code], what="cdk deploy", log=log, seconds=60)
    assert str(failed.value) == f"cdk deploy failed: no such bucket. The log is {log}"


def test_a_command_that_is_missing_or_hangs_is_one_sentence(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    with pytest.raises(Failed, match="Asking: nowhere cannot be executed"):
        run(["nowhere"], what="Asking", log=log, seconds=60)
    with pytest.raises(Failed, match="Waiting: not done after 0 s, so it was stopped"):
        run([sys.executable, "-c", "input()", "-"], what="Waiting", log=log, seconds=0)


def test_last_words_are_words() -> None:
    assert last_words("one\ntwo.\n\n-----\n") == "two."
    assert last_words("") == "it said nothing."
