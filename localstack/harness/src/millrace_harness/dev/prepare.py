"""What `localstack/dev` runs before it hands over: programs and packages without which the verb cannot even begin.

Run as `python -m millrace_harness.dev.prepare <verb>` by a bare Python 3.13; only the standard library.
"""

import sys

from millrace_harness.dev import environments, tools
from millrace_harness.dev.failed import Failed
from millrace_harness.dev.places import Places
from millrace_harness.dev.steps import Steps, together

# The verbs that start parts or deploy; the others only look, stop or read.
_BUILDING = frozenset({"demo", "up", "test"})


def prepare(verb: str, places: Places, steps: Steps) -> None:
    """Bring what Python needs to take over.

    Raises:
        Failed: a tool or a package is missing and cannot be installed.
    """

    def programs() -> None:
        lacking = tools.missing() if verb in _BUILDING else []
        if verb == "test" and tools.may_install():
            lacking += tools.missing(tools.WELCOME)
        if lacking:
            with steps.step(f"installing {', '.join(tool.name for tool in lacking)}"):
                tools.install(lacking, log=places.home / "install-tools.log")

    def packages() -> None:
        if not environments.is_installed(places, environments.LOCALSTACK):
            with steps.step("environment localstack"):
                environments.install(places, environments.LOCALSTACK)

    together(programs, packages)


def main() -> int:
    """Exit code 0, or 1 after one sentence."""
    try:
        with Steps() as steps:
            prepare(sys.argv[1], Places.find(), steps)
    except Failed as failure:
        sys.stderr.write(f"millrace: {failure}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
