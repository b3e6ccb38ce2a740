import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

import pytest

from cdk.parts.bundling import Bundle, Bundler, BundlingError, belongs
from cdk.parts.environment import environment
from cdk.profiles import Profile
from functions.catalog import DRAIN, FUNCTIONS, INGEST, JOBS, MAINTAIN, MANAGE, PERSIST, Function

every_function = pytest.mark.parametrize("row", FUNCTIONS, ids=lambda row: row.name)
# Magic number, then flags: 1 is "hash-based", 3 would be "hash-based and checked" (PEP 552).
UNCHECKED_HASH = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little")


def names_in(bundle: Bundle) -> list[str]:
    with ZipFile(bundle.path) as archive:
        return archive.namelist()


def a_checkout(folder: Path) -> Path:
    """The smallest checkout that has a function: it needs no package, so building it needs no uv."""
    for path in ("functions/__init__.py", "functions/one/__init__.py", "shared/__init__.py"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    (folder / "functions/one/handler.py").write_text("NAMES = {'a', 'b', 'c'}\n")
    (folder / "functions/one/requirements.txt").touch()
    return folder


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundler:
    # `true` stands for uv: an empty lock installs nothing.
    monkeypatch.setenv("MILLRACE_UV", "true")
    return Bundler(root=a_checkout(tmp_path / "checkout"), cache=tmp_path / "cache", wheels="any")


def test_the_same_inputs_give_the_same_bytes(bundles: dict[str, Bundle], bundler: Bundler, tmp_path: Path) -> None:
    again = Bundler(root=bundler.root, cache=tmp_path, wheels=bundler.wheels).bundles([PERSIST.name])[PERSIST.name]
    assert again.digest == bundles[PERSIST.name].digest
    assert again.path.read_bytes() == bundles[PERSIST.name].path.read_bytes()


def run_alone(bundle: Bundle, folder: Path, statement: str, variables: Mapping[str, str]) -> str:
    """What `statement` prints where only the bundle, unpacked into `folder`, and the standard library are there."""
    with ZipFile(bundle.path) as archive:
        archive.extractall(folder)
    done = subprocess.run(
        [sys.executable, "-S", "-P", "-W", "error", "-c", statement],  # -S leaves out this environment's own packages
        cwd=folder,
        env={**variables, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@every_function
def test_a_bundle_alone_imports_its_handler(
    bundles: dict[str, Bundle], profile: Profile, row: Function, tmp_path: Path
) -> None:
    module, attribute = row.handler.rsplit(".", 1)
    statement = f"import {module} as m; assert callable(m.{attribute}); print(m.__cached__)"
    told = environment(row, profile, spool_bucket="spool", jobs_queue="https://127.0.0.1:1/jobs")
    assert Path(run_alone(bundles[row.name], tmp_path, statement, told)).exists()


@pytest.mark.parametrize("row", [INGEST, DRAIN, JOBS], ids=lambda row: row.name)
def test_a_bundle_alone_makes_the_client_of_the_spool(
    bundles: dict[str, Bundle], row: Function, tmp_path: Path
) -> None:
    signed = """
from shared.adapters.aws.spool import _client
print(_client().generate_presigned_url("put_object", {"Bucket": "spool", "Key": "one"}))
"""
    credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "eu-west-1"}
    url = run_alone(bundles[row.name], tmp_path, signed, credentials)
    assert url.startswith("https://spool.s3.amazonaws.com/one?")


@pytest.mark.parametrize("row", [MANAGE, JOBS, MAINTAIN], ids=lambda row: row.name)
def test_a_bundle_alone_makes_the_client_of_the_queue(
    bundles: dict[str, Bundle], row: Function, tmp_path: Path
) -> None:
    made = """
from shared.adapters.aws.wake import SqsWake
print(SqsWake("https://127.0.0.1:1/jobs")._connected().meta.service_model.service_name)
"""
    assert run_alone(bundles[row.name], tmp_path, made, {"AWS_DEFAULT_REGION": "eu-west-1"}) == "sqs"


@every_function
def test_no_bundle_describes_a_service_that_no_client_is_made_for(bundles: dict[str, Bundle], row: Function) -> None:
    described = {
        PurePosixPath(name).parts[2] for name in names_in(bundles[row.name]) if re.match("botocore/data/.*/", name)
    }
    assert described == ({"s3", "sqs"} if row in (INGEST, DRAIN, MANAGE, JOBS, MAINTAIN) else set())


@every_function
def test_a_bundle_has_its_own_function_and_the_shared_rooms_only(bundles: dict[str, Bundle], row: Function) -> None:
    own = {PurePosixPath(name).parts[1] for name in names_in(bundles[row.name]) if name.startswith("functions/")}
    assert own == {"__init__.py", "__pycache__", row.name}
    assert "shared/events/topics.py" in names_in(bundles[row.name])


@every_function
def test_a_bundle_has_no_file_that_never_runs(bundles: dict[str, Bundle], row: Function) -> None:
    names = names_in(bundles[row.name])
    assert len(names) == len(set(names))
    for name in names:
        assert not name.endswith((".pyi", ".pyx", ".c", ".h")), name
        assert not {"tests", "test"} & set(PurePosixPath(name).parts), name
        assert not name.startswith("functions/") or "requirements" not in name
        assert ".dist-info/" not in name or PurePosixPath(name).name in {"METADATA", "entry_points.txt"}, name


@every_function
def test_every_source_has_bytecode_that_is_never_checked_against_it(bundles: dict[str, Bundle], row: Function) -> None:
    with ZipFile(bundles[row.name].path) as archive:
        names = set(archive.namelist())
        for name in filter(lambda name: name.endswith(".py"), names):
            cached = importlib.util.cache_from_source(name)
            assert cached in names
            assert archive.read(cached)[:8] == UNCHECKED_HASH


def test_the_files_that_importlib_metadata_reads_are_kept() -> None:
    assert belongs(PurePosixPath("fastapi-1.dist-info/METADATA"))
    assert belongs(PurePosixPath("sqlalchemy-2.dist-info/entry_points.txt"))
    assert not belongs(PurePosixPath("fastapi-1.dist-info/RECORD"))
    assert not belongs(PurePosixPath("fastapi-1.dist-info/licenses/METADATA"))


def test_a_module_that_is_merely_named_like_a_test_is_kept() -> None:
    assert belongs(PurePosixPath("fastapi/testclient.py"))
    assert belongs(PurePosixPath("six.py"))
    assert not belongs(PurePosixPath("greenlet/tests/test_all.py"))
    assert not belongs(PurePosixPath("sqlalchemy/testing/util.py"))
    assert not belongs(PurePosixPath("bin/fastapi"))


def test_of_botocore_s_descriptions_those_that_are_used_and_of_all_services_are_kept() -> None:
    assert belongs(PurePosixPath("botocore/data/partitions.json"))
    assert belongs(PurePosixPath("botocore/data/s3/2006-03-01/service-2.json.gz"))
    assert belongs(PurePosixPath("botocore/data/sqs/2012-11-05/service-2.json.gz"))
    assert not belongs(PurePosixPath("botocore/data/s3/2006-03-01/examples-1.json"))
    assert not belongs(PurePosixPath("botocore/data/s3control/2018-08-20/service-2.json.gz"))
    assert not belongs(PurePosixPath("boto3/data/s3/2006-03-01/resources-1.json"))
    assert belongs(PurePosixPath("botocore/client.py"))
    assert belongs(PurePosixPath("boto3/session.py"))


def test_a_bundle_does_not_tell_where_or_when_it_was_built(bundles: dict[str, Bundle], bundler: Bundler) -> None:
    with ZipFile(bundles[PERSIST.name].path) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        bytecode = archive.read("functions/persist/__pycache__/handler.cpython-313.pyc")
    assert b"/var/task/functions/persist/handler.py" in bytecode
    assert str(bundler.cache).encode() not in bytecode


def test_a_second_build_takes_what_is_there(small: Bundler) -> None:
    first = small.bundles(["one"])["one"]
    inode = first.path.stat().st_ino
    assert small.bundles(["one"])["one"] == first
    assert first.path.stat().st_ino == inode


def test_a_changed_source_is_another_bundle_and_a_changed_lock_too(small: Bundler) -> None:
    function = small.root / "functions" / "one"
    digests = {small.bundles(["one"])["one"].digest}
    (function / "handler.py").write_text("NAMES = {'d'}\n")
    digests.add(small.bundles(["one"])["one"].digest)
    (function / "requirements.txt").write_text("# another\n")
    digests.add(small.bundles(["one"])["one"].digest)
    assert len(digests) == 3


def test_what_is_not_deployed_does_not_change_a_bundle(small: Bundler) -> None:
    before = small.bundles(["one"])["one"]
    (small.root / "functions" / "one" / "requirements.in").write_text("anything\n")
    (small.root / "functions" / "catalog.py").write_text("ROWS = ()\n")
    (small.root / "shared" / "__pycache__").mkdir()
    (small.root / "shared" / "__pycache__" / "old.cpython-313.pyc").touch()
    assert small.bundles(["one"])["one"] == before


def test_the_cache_forgets_bundles_that_nobody_uses(small: Bundler) -> None:
    for number in range(7):
        (small.root / "functions" / "one" / "handler.py").write_text(f"NUMBER = {number}\n")
        last = small.bundles(["one"])["one"]
        os.utime(last.path, (number, number))
    kept = sorted(small.cache.glob("one-*.zip"))
    assert last.path in kept
    assert len(kept) == 4


def test_a_build_leaves_only_finished_zips_behind(small: Bundler) -> None:
    small.bundles(["one"])
    (small.root / "functions" / "one" / "handler.py").write_text("def broken(:\n")
    with pytest.raises(BundlingError, match="compiling to bytecode failed"):
        small.bundles(["one"])
    assert sorted(path.name.split("-")[0] for path in small.cache.iterdir()) == ["dependencies", "one"]


def test_a_machine_without_uv_is_told_how_to_get_it(small: Bundler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MILLRACE_UV")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BundlingError, match="set MILLRACE_UV"):
        small.bundles(["one"])


def test_a_failed_installation_says_what_uv_said(
    small: Bundler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\necho 'hash mismatch' >&2\nexit 2\n")
    uv.chmod(0o755)
    monkeypatch.setenv("MILLRACE_UV", str(uv))
    with pytest.raises(BundlingError, match=r"installing functions/one/requirements.txt failed: hash mismatch"):
        small.bundles(["one"])
