"""Kafka's jars and PostgreSQL's binaries, from the artifacts that `localstack/harness/pom.xml` locks."""

import hashlib
import platform
import re
import tarfile
import zipfile
from pathlib import Path

from millrace_harness.parts.cache import Cache
from millrace_harness.parts.commands import run
from millrace_harness.parts.errors import PartFailed
from millrace_harness.parts.paths import Paths

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64v8"}
TIMEOUT_SECONDS = 300  # mostly 6 to 20 s; the registry's tail was seen at 86 s
ATTEMPTS = 2  # the second goes on from what the first has stored, so a slow or broken connection costs little
ADVICE = "Check the network and that Maven is installed (Debian: `apt-get install maven`), then try again."


class MavenParts:
    """The cache entry that holds both: `kafka` with the jars, `postgres` with bin, lib and share."""

    def __init__(self, paths: Paths) -> None:
        self._pom = paths.checkout / "localstack" / "harness" / "pom.xml"
        self._text = self._pom.read_text()
        self._cache = paths.cache
        digest = hashlib.sha256(self._text.encode() + platform.machine().encode()).hexdigest()
        self.folder = paths.cache / f"maven-{digest[:12]}"

    @property
    def jars(self) -> list[Path]:
        """The class path of a broker, always in the same order: a shared class archive asks for the same string."""
        return sorted((self.folder / "kafka").glob("*.jar"))

    @property
    def postgres(self) -> Path:
        """PostgreSQL's folder, with `bin/initdb` and `bin/postgres`."""
        return self.folder / "postgres"

    def version(self, part: str) -> str:
        """The locked version of `kafka` or `postgres`."""
        return self._property(f"{part}.version")

    def fetch(self, cache: Cache) -> None:
        """Bring the entry into the cache, where it is missing.

        Raises:
            PartFailed: no Maven, no network, a jar that is not the locked one, or an unknown kind of processor.
        """
        what = f"Kafka {self.version('kafka')} and PostgreSQL {self.version('postgres')}"
        cache.entry(self.folder.name, self._make, what=what)

    def _make(self, draft: Path) -> None:
        jars = draft / "kafka"
        self._copy_jars(jars)
        self._verify(jars)
        binaries = next(jars.glob("embedded-postgres-binaries-*.jar"))
        with zipfile.ZipFile(binaries) as archive:
            packed = next(name for name in archive.namelist() if name.endswith(".txz"))
            with archive.open(packed) as stream, tarfile.open(fileobj=stream, mode="r|xz") as tree:
                tree.extractall(draft / "postgres", filter="data")
        binaries.unlink()

    def _copy_jars(self, folder: Path) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                run(
                    *("mvn", "--batch-mode", "--quiet", "--no-transfer-progress", "--file", self._pom),
                    f"-Dmaven.repo.local={self._cache / 'm2'}",
                    f"-Dpostgres.architecture={_architecture()}",
                    *("dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder}"),
                    advice=ADVICE,
                    timeout_seconds=TIMEOUT_SECONDS,
                    # A third less processor time for a program that lives for seconds.
                    environment={"MAVEN_OPTS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"},
                )
                return
            except PartFailed:
                if attempt == ATTEMPTS:
                    raise

    def _verify(self, folder: Path) -> None:
        lines = self._property("jars.sha256").strip().splitlines()
        locked = {name: digest for digest, name in (line.split() for line in lines)}
        for jar in folder.iterdir():
            with jar.open("rb") as content:
                if hashlib.file_digest(content, "sha256").hexdigest() != locked.get(jar.name):
                    raise PartFailed(
                        f"{jar.name} is not the file that {self._pom.name} locks: it was changed on its way, "
                        f"or a version was changed without its hash. Remove {self._cache / 'm2'} and try again."
                    )

    def _property(self, name: str) -> str:
        found = re.search(rf"<{re.escape(name)}>(.*?)</", self._text, re.DOTALL)
        if found is None:
            raise PartFailed(f"{self._pom} has no property {name}: restore the file.")
        return found[1]


def _architecture() -> str:
    machine = platform.machine()
    if platform.system() != "Linux" or machine not in ARCHITECTURES:
        raise PartFailed(f"There are no native parts for {platform.system()} on {machine}: use Docker, `up --compose`.")
    return ARCHITECTURES[machine]
