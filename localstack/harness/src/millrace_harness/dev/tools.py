"""Programs that must be there before anything else: looked for, and installed where that is ours to do.

Only the standard library: it runs before anything is installed.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from millrace_harness.dev.commands import run
from millrace_harness.dev.failed import Failed

_ASK_SECONDS = 30
_APT_SECONDS = 600
_DEBIAN = Path("/etc/debian_version")
_STYLING = re.compile(r"\x1b\[[0-9;]*m")  # Maven writes its name in bold, also where nobody sees it


@dataclass(frozen=True, slots=True)
class Tool:
    """A program of the system. `least` is the lowest major version that does, asked for with `ask` (0: any).

    `package` is its name in Debian, `home` says where others get it.
    """

    name: str
    why: str
    package: str
    home: str
    ask: str = "--version"
    least: int = 0


TOOLS = (
    Tool("java", "Kafka runs in it", "openjdk-17-jre-headless", "a JDK or JRE 17 or newer", ask="-version", least=17),
    Tool("mvn", "it fetches Kafka and PostgreSQL", "maven", "Apache Maven 3"),
    Tool("node", "the CDK runs in it", "nodejs", "Node.js 20 or newer", least=20),
    Tool("npm", "it fetches the CDK command line", "npm", "npm, which comes with Node.js"),
)

WELCOME = (
    Tool("ip", "tests make a network of their own with it", "iproute2", "iproute2"),
    Tool("iptables", "tests drop packets with it", "iptables", "iptables"),
)
"""What only root can use, for a few tests, which are skipped elsewhere."""


def version(tool: Tool) -> str | None:
    """What the program says it is, in one line; None when it is missing or does not run."""
    if not shutil.which(tool.name):
        return None
    try:
        done = subprocess.run([tool.name, tool.ask], capture_output=True, text=True, timeout=_ASK_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    said = _STYLING.sub("", done.stdout or done.stderr).strip()
    return said.splitlines()[0] if done.returncode == 0 and said else None


def does(tool: Tool, said: str | None) -> bool:
    """Whether a program that says `said` of itself is new enough."""
    if said is None:
        return False
    number = re.search(r"\d+", said)
    return not tool.least or (number is not None and int(number[0]) >= tool.least)


def missing(tools: Iterable[Tool] = TOOLS) -> list[Tool]:
    """The tools that are not there, or too old."""
    # Only what has a lowest version needs to be asked: each question costs a start of its program.
    return [tool for tool in tools if not shutil.which(tool.name) or (tool.least and not does(tool, version(tool)))]


def install(tools: Iterable[Tool], *, log: Path) -> None:
    """Install what is missing with apt, where this is Debian and we are root.

    Raises:
        Failed: it is not ours to install here, or did not help; the message names each tool and where it comes from.
    """
    lacking = list(tools)
    if not lacking:
        return
    if not may_install():
        raise Failed(how_to_get(lacking))
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    what = f"Installing {', '.join(tool.package for tool in lacking)} with apt-get"
    run(["apt-get", "update"], what=what, log=log, seconds=_APT_SECONDS, environment=quiet)
    packages = [tool.package for tool in lacking]
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    run(command, what=what, log=log, seconds=_APT_SECONDS, environment=quiet)
    still = missing(lacking)
    if still:
        raise Failed(how_to_get(still))


def may_install() -> bool:
    """Whether this machine is ours to install on."""
    return os.geteuid() == 0 and _DEBIAN.exists()


def how_to_get(tools: Iterable[Tool]) -> str:
    """One sentence for a person."""
    wanted = "; ".join(f"{tool.home} ({tool.name}: {tool.why}; Debian: {tool.package})" for tool in tools)
    return f"Missing or too old here: {wanted}."
