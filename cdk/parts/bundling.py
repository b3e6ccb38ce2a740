"""A function's zip, built without Docker: the same inputs give the same bytes on any machine.

A zip holds the function's locked dependencies without what never runs, its own folder, `shared/`, and bytecode beside
every source. The bytecode is unchecked: Lambda's file times say nothing, and a start compiles nothing (measured: 342 ms
of CPU against 817 ms for the largest set of dependencies).

Two zips are kept by the hash of what went into them: the dependencies, which cost seconds, and on top of a copy of them
the finished bundle. A second build reads hashes, and a change of own code costs only its own files.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

PYTHON = "3.13"
TASK_ROOT = "/var/task/"

# Where Lambda unpacks to, so that tracebacks of bytecode name the real file; 1980 is the oldest time a zip can tell.
_EPOCH = (1980, 1, 1, 0, 0, 0)
# uv needs seconds with a warm cache; ten minutes is a bare machine on a slow line.
_INSTALL_SECONDS = 600
_COMPILE_SECONDS = 300
_SAID = 2000  # characters of a failed command's own words: its last lines tell why
# The quickest: a tenth larger than zlib's default and done in a third of the time (21 MB in 2.2 s, 24 MB in 0.9 s).
_COMPRESSION = 1
# Zips of one kind that are kept: enough to go back and forth between a few branches, about 60 MB a function.
_KEPT = 4

_NEVER_IMPORTED = frozenset({".c", ".cpp", ".h", ".pxd", ".pxi", ".pyi", ".pyx"})
_TEST_FOLDERS = frozenset({"test", "tests"})
_TEST_TREES = ("alembic/testing/", "sqlalchemy/testing/")
# What importlib.metadata reads: versions, and the entry points by which SQLAlchemy finds its dialects.
_METADATA = frozenset({"METADATA", "entry_points.txt"})
# botocore describes more than 400 services in 17 MB of zip; a client reads its own service and the files beside it.
SERVICES = frozenset({"s3", "sqs"})
_DESCRIPTIONS = ("botocore", "data")
# What boto3 adds to clients: descriptions of resources, which nothing here asks for, and the examples of its manual.
_NEVER_READ = ("boto3/data/", "boto3/examples/")


class BundlingError(Exception):
    """A bundle could not be built. The message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A finished zip. `digest` is the hash of its inputs: equal digests, equal bytes."""

    path: Path
    digest: str


@dataclass(frozen=True, slots=True)
class Bundler:
    """Builds bundles of the checkout at `root` for `wheels` (a platform in uv's words), and keeps them in `cache`.

    `services` are those of AWS that clients are made for.
    """

    root: Path
    cache: Path
    wheels: str
    services: frozenset[str] = SERVICES

    def bundles(self, names: Iterable[str]) -> dict[str, Bundle]:
        """The bundle of each function, side by side: most of the time is spent waiting for uv and the compiler.

        Raises:
            BundlingError: uv is missing or failed, a source does not compile, or this is not the functions' Python.
        """
        if sys.version_info[:2] != tuple(map(int, PYTHON.split("."))):
            raise BundlingError(f"bytecode for Python {PYTHON} is made by Python {PYTHON}: run the app with it")
        self.cache.mkdir(parents=True, exist_ok=True)
        names = tuple(names)
        with ThreadPoolExecutor(max_workers=max(1, len(names))) as pool:
            return dict(zip(names, pool.map(self.bundle, names), strict=True))

    def bundle(self, name: str) -> Bundle:
        """The bundle of the function in `functions/<name>`. Raises BundlingError as `bundles` does."""
        dependencies = self._dependencies(name)
        sources = self._sources(name)
        named = (part for path, content in sorted(sources.items()) for part in (path.encode(), content))
        digest = _digest(dependencies.digest.encode(), *named)
        path = self.cache / f"{name}-{digest}.zip"
        if not _touched(path):
            with tempfile.TemporaryDirectory(dir=self.cache) as folder, _replacing(path) as unfinished:
                _write(Path(folder), sources)
                _compile(Path(folder))
                shutil.copyfile(dependencies.path, unfinished)
                _add(unfinished, Path(folder))
            _forget_old(self.cache, f"{name}-*.zip")
        return Bundle(path, digest)

    def _dependencies(self, name: str) -> Bundle:
        lock = self.root / "functions" / name / "requirements.txt"
        # This file is an input too: a changed rule is a changed bundle.
        digest = _digest(
            Path(__file__).read_bytes(),
            self.wheels.encode(),
            *map(str.encode, sorted(self.services)),
            lock.read_bytes(),
        )
        path = self.cache / f"dependencies-of-{name}-{digest}.zip"
        if not _touched(path):
            with tempfile.TemporaryDirectory(dir=self.cache) as folder, _replacing(path) as unfinished:
                staged = Path(folder)
                self._install(lock, staged)
                _prune(staged, self.services)
                _compile(staged)
                _add(unfinished, staged)
            _forget_old(self.cache, f"dependencies-of-{name}-*.zip")
        return Bundle(path, digest)

    def _install(self, lock: Path, target: Path) -> None:
        options = ["--quiet", "--require-hashes", "--only-binary=:all:", "--no-compile-bytecode"]
        interpreter = ["--python", sys.executable, "--no-python-downloads"]
        platform = ["--python-version", PYTHON, "--python-platform", self.wheels]
        destination = ["--target", str(target), "--requirements", str(lock)]
        command = [_uv(), "pip", "install", *options, *interpreter, *platform, *destination]
        _run(f"installing {lock.relative_to(self.root)}", command, _INSTALL_SECONDS)

    def _sources(self, name: str) -> dict[str, bytes]:
        """Own files by their path in the checkout, each read once: what is hashed is what is bundled."""
        functions = self.root / "functions"
        files = [functions / "__init__.py", *_files(functions / name), *_files(self.root / "shared")]
        return {
            file.relative_to(self.root).as_posix(): file.read_bytes()
            for file in files
            if "__pycache__" not in file.parts and file.stem != "requirements"
        }


def belongs(path: PurePosixPath, services: frozenset[str] = SERVICES) -> bool:
    """Whether a file of an installed package is ever read in Lambda; `path` is relative to the bundle."""
    folders = path.parts[:-1]
    if folders and folders[0].endswith(".dist-info"):
        return len(folders) == 1 and path.name in _METADATA
    if not folders and path.name == ".lock":
        return False
    return not (
        (folders and folders[0] == "bin")
        or path.suffix in _NEVER_IMPORTED
        or not _TEST_FOLDERS.isdisjoint(folders)
        or path.as_posix().startswith((*_TEST_TREES, *_NEVER_READ))
        or (folders[:2] == _DESCRIPTIONS and not _is_described(path, services))
    )


def _is_described(path: PurePosixPath, services: frozenset[str]) -> bool:
    """Whether a file under `botocore/data` is about all services, or about one that is used."""
    service = path.parts[2]
    return len(path.parts) == 3 or (service in services and not path.name.startswith("examples-"))


def _uv() -> str:
    found = os.environ.get("MILLRACE_UV") or shutil.which("uv")
    if not found:
        raise BundlingError("uv is not on PATH: set MILLRACE_UV to it, or let localstack/dev install it")
    return found


def _write(folder: Path, sources: Mapping[str, bytes]) -> None:
    for name, content in sources.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def _prune(folder: Path, services: frozenset[str]) -> None:
    for file in list(_files(folder)):
        if not belongs(PurePosixPath(file.relative_to(folder).as_posix()), services):
            file.unlink()


def _compile(folder: Path) -> None:
    """Write bytecode beside each source, in a process of its own: its hash seed is fixed, so sets keep one order."""
    options = ["-q", "--invalidation-mode", "unchecked-hash", "-s", str(folder), "-p", TASK_ROOT]
    command = [sys.executable, "-S", "-P", "-m", "compileall", *options, str(folder)]
    _run("compiling to bytecode", command, _COMPILE_SECONDS)


def _run(doing: str, command: list[str], seconds: int) -> None:
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds, check=False)
    except OSError as error:
        raise BundlingError(f"{doing} failed: {command[0]} does not run ({error.strerror})") from None
    except subprocess.TimeoutExpired:
        raise BundlingError(f"{doing} was not done after {seconds} s") from None
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise BundlingError(f"{doing} failed: {said[-_SAID:]}")


def _add(path: Path, folder: Path) -> None:
    """Append the files of `folder` in the order of their names, with one time and one mode."""
    files = {file.relative_to(folder).as_posix(): file for file in _files(folder)}
    with ZipFile(path, "a") as archive:
        for name, file in sorted(files.items()):
            entry = ZipInfo(name, _EPOCH)
            entry.compress_type = ZIP_DEFLATED
            entry.create_system = 3  # Unix, whose modes follow
            entry.external_attr = (0o100755 if file.suffix == ".so" else 0o100644) << 16
            archive.writestr(entry, file.read_bytes(), compresslevel=_COMPRESSION)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _digest(*parts: bytes) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8) + part)
    return whole.hexdigest()[:32]


def _touched(path: Path) -> bool:
    """Whether `path` is there; if so it counts as used now."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A file beside `path` that takes its place when the block ends well: nobody ever sees half a zip."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    unfinished = Path(name)
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _forget_old(cache: Path, pattern: str) -> None:
    newest_first = sorted(cache.glob(pattern), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in newest_first[_KEPT:]:
        path.unlink(missing_ok=True)
