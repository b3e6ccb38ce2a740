"""How a broker's JVM is started, and where its shared class archive lies."""

import hashlib
import shutil
from pathlib import Path

from millrace_harness.parts.errors import PartFailed
from millrace_harness.parts.maven import MavenParts

ADVICE = "Kafka needs Java 17 or newer (Debian: `apt-get install openjdk-17-jre-headless`)."

FLAGS = (
    "-XX:+UseSerialGC",  # one short-lived broker with a small heap: half the processor time of the defaults to start,
    "-XX:TieredStopAtLevel=1",  # and 1.4 s instead of 3 s to ready with the class archive
    "-Xms64m",
    "-Xmx256m",  # 128m carries 200,000 records of 1 kB as well; it is the classes that take the memory
    "-Djava.net.preferIPv4Stack=true",
    "-Dorg.slf4j.simpleLogger.logFile=System.out",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",  # at info a broker prints 300 lines of settings first
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS",
)


def java() -> Path:
    """The Java on PATH, by its real path."""
    found = shutil.which("java")
    if found is None:
        raise PartFailed(f"`java` is missing. {ADVICE}")
    return Path(found).resolve()


def command(maven: MavenParts, main: str, *arguments: str | Path, options: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Start the class `main` of Kafka's jars."""
    class_path = ":".join(map(str, maven.jars))
    return (str(java()), *FLAGS, *options, "-cp", class_path, main, *map(str, arguments))


def archive(maven: MavenParts) -> Path:
    """The class archive (AppCDS) for this Java and these jars. It halves a broker's start where it exists.

    A JVM falls back to a plain start where an archive does not fit, so its name carries what it must fit.
    """
    program = java()
    changed = program.stat().st_mtime_ns
    digest = hashlib.sha256(f"{program} {changed} {FLAGS}".encode()).hexdigest()
    return maven.folder.with_name(f"{maven.folder.name}-{digest[:8]}.jsa")
